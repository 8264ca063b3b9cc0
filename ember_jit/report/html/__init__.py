"""The report as one self-contained page: the graph, the programs side by side, effects, a real run."""
