"""What a run needs of numeric kernels: loaded machine code, entries, buffers, the cache; no compiler, no llvmlite."""
