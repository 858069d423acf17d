"""What the report of a run of pictures shows beside the comparison."""
