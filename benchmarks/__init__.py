"""Measures the frequent operations of Watchword, always beside a bare reference implementation in the same run."""
