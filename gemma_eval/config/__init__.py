"""From Hydra's values to checked settings."""
