"""A graph of a stranger's, read and worked out before it runs."""
