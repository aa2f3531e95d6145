"""The pages of the admin center."""
