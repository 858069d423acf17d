"""Words and numbers for people: durations, quantities, names."""
