"""Who is told of a training while it goes on, and what is said of a network's health."""
