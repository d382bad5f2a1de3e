"""A checkpoint on disk, what identifies it, and how its weights are stored."""
