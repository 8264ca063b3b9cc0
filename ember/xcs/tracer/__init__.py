"""Where the structural compiler is published."""
