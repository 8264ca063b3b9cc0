"""What the snippets of docs/profile.md assume."""

NEEDS = ["opentelemetry.sdk"]
