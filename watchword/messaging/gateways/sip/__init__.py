"""Calls by a telephone system or a trunk, SIP (RFC 3261)."""
