"""What is asked of the data, and how answers are scored."""
