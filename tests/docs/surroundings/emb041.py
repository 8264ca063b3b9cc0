"""What the snippets of docs/errors/EMB041.md assume."""

NEEDS = ["cloudpickle"]
