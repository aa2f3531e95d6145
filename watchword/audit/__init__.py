"""The audit log: one vocabulary of events, stored in an append-only table."""
