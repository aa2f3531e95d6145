"""Texts by a carrier's SMSC, SMPP 3.4."""
