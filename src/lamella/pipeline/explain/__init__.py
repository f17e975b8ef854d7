"""What is told of an image: its layers and packages, what changed and why, what is wrong, what is in it."""
