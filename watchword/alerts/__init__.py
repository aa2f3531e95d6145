"""TELLS: from what happened to who hears of it, by mail, by text, and in the administrators' Alerts."""
