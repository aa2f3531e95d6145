"""The browser's door: turns submitted pages into calls of ``signin``, and the results into pages."""
