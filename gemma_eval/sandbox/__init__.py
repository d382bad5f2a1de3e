"""Runs generated programs so that they can do no harm."""
