"""A person's own pages: apps, sign-in methods, app passwords, where they are signed in, what happened."""
