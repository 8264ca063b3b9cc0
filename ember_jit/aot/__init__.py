"""Ahead of time: bundles of compiled operators, which run without the compiler (docs/aot.md, ADR 0008)."""
