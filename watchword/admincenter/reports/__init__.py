"""Reports: the sign-in log and the alerts."""
