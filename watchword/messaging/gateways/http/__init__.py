"""Texts and calls through any provider's HTTP API."""
