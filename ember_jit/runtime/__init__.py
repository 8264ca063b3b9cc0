"""What a compiled function runs on: plans, runs, cells, threads."""
