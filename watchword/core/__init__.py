"""Decides who may come in: pure Python, without Django, clock, randomness, database or request."""
