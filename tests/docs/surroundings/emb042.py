"""What the snippets of docs/errors/EMB042.md assume."""

NEEDS = ["cloudpickle"]
