"""What a run needs of compiled loops: their sites, the cost model, linking; no compiler, no llvmlite."""
