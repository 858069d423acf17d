"""What is wrong or strange in a set of clips."""
