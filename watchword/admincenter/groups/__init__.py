"""The pages of groups: lists, settings, members."""
