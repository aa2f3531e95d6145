"""Voice calls through a PBX (called telephone system in messages to operators) or a SIP trunk (RFC 3261)."""
