"""ASK: each door translates one protocol into calls of ``signin`` and the results back; it decides nothing itself."""
