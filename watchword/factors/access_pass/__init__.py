"""The Temporary Access Pass, which an administrator gives to a person who has lost their phone."""
