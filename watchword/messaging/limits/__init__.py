"""How much may be sent: rate limits, counters, SMS-pumping detection."""
