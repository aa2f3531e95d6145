"""The command line: the watchword command, its processes, and its management commands."""
