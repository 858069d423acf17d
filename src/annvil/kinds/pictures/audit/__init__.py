"""What is wrong or strange in pictures: findings, pictures that are nearly the same, what gives classes away."""
