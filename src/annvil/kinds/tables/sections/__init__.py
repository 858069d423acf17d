"""What the report of a run of tables shows beside the comparison."""
