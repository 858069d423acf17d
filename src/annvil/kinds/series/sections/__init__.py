"""What the report of a run of series shows beside the comparison."""
