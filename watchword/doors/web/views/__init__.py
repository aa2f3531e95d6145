"""The pages of the browser's door, one decision on each."""
