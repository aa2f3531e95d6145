"""One-time codes by phone: challenges, their check, and what became of their delivery."""
