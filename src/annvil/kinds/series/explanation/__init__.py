"""Which part of a series a prediction rests on, and which channel."""
