"""Texts and calls by any provider's HTTP interface."""
