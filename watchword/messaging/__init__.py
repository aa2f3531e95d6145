"""CARRIES codes to telephones: the channel protocol, routing, limits, and one folder for each channel."""
