"""A phone that gets a security code by text message or call."""
