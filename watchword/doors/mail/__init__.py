"""The mail door: mail servers ask here whether a mail program may sign in."""
