"""What users bring: rows, targets and networks, in the form the engine takes."""
