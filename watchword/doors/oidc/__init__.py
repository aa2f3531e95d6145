"""The OpenID Connect provider: apps sign people in by redirecting their browser here."""
