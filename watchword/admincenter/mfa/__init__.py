"""Pages that change multi-factor states, one by one or in bulk."""
