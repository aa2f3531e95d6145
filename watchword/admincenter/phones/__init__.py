"""Pages about phone delivery: settings, gateways, statistics, the message log."""
