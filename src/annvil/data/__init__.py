"""What a contender may know of data, how rows are split, and how files are read."""
