"""Gateways to the telephone network, one package each."""
