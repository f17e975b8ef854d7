"""Recordings of the terminal for the README: commands are run for real, and what they showed becomes an SVG that moves."""
