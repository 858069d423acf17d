"""Losses: by name, or the caller's own."""
