"""The pages of apps: the gallery, the settings and secrets of each app."""
