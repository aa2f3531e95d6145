"""Apps that nobody here wrote sign people in through a really served Watchword."""
