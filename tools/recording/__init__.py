"""Recordings of the terminal for the README: commands are really run, and their output becomes a picture."""
