"""The interface as an object."""

from ember_jit.xcs import XCSAPI

__all__ = ["XCSAPI"]
