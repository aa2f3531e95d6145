"""The door for servers that ask over HTTP about a name and a password: HTTP Basic for CalDAV, nginx for mail."""
