"""Measures what Watchword does many times a second, always beside something bare in the same run."""
