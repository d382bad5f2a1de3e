"""Reports read run directories and nothing else. They need no model, no data set and no torch."""
