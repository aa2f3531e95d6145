"""The gateway of the demo and of the tests: a telephone on a web page."""
