"""Draws the images of the bundled samples and writes their rows: `python -m tools.draw`. All of them are this project's own work."""
