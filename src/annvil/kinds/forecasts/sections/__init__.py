"""What the report shows of forecasts."""
