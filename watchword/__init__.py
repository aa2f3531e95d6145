"""Watchword: self-hosted multi-factor authentication for mail and apps."""

__version__ = "0.1.0"
