"""The only package that completes a sign-in: load, decide, apply, record, in one transaction."""
