"""Graphs of calls: recorded under `autograph()` or built by hand, looked at, and executed (`ember_jit.execution`)."""
