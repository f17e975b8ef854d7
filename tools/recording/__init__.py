"""Recordings of the terminal for the README: commands are run for real, and what they showed becomes a picture."""
