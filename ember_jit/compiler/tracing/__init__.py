"""The tracing fallback's compiler half: hooks in the bytecode of a function that cannot be read."""
