"""The content of texts and calls, in each language."""
