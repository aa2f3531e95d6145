"""The Temporary Access Pass: what an administrator gives to somebody who has lost their phone."""
