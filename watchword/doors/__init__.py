"""The doors: each translates one protocol into calls of ``signin`` and the results back; none of them decides."""
