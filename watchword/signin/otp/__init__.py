"""One-time codes by phone: challenges, their verification, and the results of their delivery."""
