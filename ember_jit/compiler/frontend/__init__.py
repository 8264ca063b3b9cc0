"""From a live function to IR: source retrieval and lowering."""
