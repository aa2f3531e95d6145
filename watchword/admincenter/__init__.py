"""What administrators and their help desk see and do."""
