"""Who competes on forecasts."""
