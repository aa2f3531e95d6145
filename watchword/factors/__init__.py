"""Credentials: one vault that alone accesses their table, and one folder for each kind of factor."""
