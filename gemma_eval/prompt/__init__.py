"""Prompts become token ids; images become upright pixels."""
