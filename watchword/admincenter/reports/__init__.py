"""Pages that report: the sign-in log and alerts."""
