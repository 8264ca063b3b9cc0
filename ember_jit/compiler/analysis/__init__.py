"""Facts about programs: abstract values, effects, and what is known of other people's callables."""
