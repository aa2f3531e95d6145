"""REMEMBERS: one vocabulary of events, kept in a table that is only ever added to."""
