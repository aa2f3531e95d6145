"""The account password, checked with Argon2id."""
