"""The automated voice attendant: where a call stands, what is said then, and the voice that says it."""
