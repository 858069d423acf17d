"""What a prediction owes to each feature, and what would change it: NumPy alone, of any model that can be called."""
