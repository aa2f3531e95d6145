"""Texts through a provider's SMSC, by SMPP 3.4."""
