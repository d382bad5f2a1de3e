"""Checkpoints: how one gets to disk, what identifies it, how its weights are stored, and what memory they need."""
