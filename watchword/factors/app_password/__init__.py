"""App passwords, for mail programs that cannot ask for a code."""
