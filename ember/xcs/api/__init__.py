"""The explicit interface: `types` has the options, `core` the object."""
