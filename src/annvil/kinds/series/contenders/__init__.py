"""Who competes on series."""
