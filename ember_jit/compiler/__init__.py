"""The compiler: from a live function to its issue and retire programs."""
