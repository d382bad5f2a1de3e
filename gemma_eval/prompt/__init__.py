"""Prompts become token ids, and images become upright pixels."""
