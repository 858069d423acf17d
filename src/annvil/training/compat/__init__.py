"""Networks as they are: what they do while they compute, and how those that cannot be recorded are trained."""
