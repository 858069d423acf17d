"""Who competes on sound."""
