"""The browser's door: turns pages into questions for ``signin``, and its answers into pages."""
