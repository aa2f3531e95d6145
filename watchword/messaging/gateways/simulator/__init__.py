"""The channel of the demo and of the tests: a telephone on a page."""
