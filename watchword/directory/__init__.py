"""The directory: organisations, domains, users, roles, and one function for each administrative act on them."""
