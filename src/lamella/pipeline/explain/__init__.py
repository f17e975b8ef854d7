"""Answers about images: layers and packages, what changed and why, what is wrong, what they contain."""
