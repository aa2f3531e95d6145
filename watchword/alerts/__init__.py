"""Alerts and notices: turn events into mails, texts and entries of the administrators' Alerts page."""
