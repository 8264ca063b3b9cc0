"""The package's version, for everything below the public face."""

__version__ = "0.1.0"
