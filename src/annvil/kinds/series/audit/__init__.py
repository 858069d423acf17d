"""What is wrong or strange about series."""
