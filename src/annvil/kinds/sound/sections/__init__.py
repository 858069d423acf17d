"""What a run of sound shows: clips that were taken for something else, and who is understood."""
