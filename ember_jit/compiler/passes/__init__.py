"""IR to IR, and IR to regions."""
