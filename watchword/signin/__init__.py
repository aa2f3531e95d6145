"""DOES: the one place that says yes; load, decide, apply, record, in one transaction."""
