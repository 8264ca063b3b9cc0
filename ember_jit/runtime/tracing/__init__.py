"""The tracing fallback's runtime half: what is recorded of a run, and what is prefetched in later ones."""
