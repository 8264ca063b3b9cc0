"""The reports: what was compiled, what was left alone, and why.  They only read."""
