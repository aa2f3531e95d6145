"""System checks: what must not be started at all."""
