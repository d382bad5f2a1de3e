"""Draws the pictures and writes the rows of the bundled image samples: `python -m tools.draw`. All of it is this project's own."""
