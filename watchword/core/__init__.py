"""The decision about a sign-in: pure Python, without Django, clock, randomness, database or request."""
