"""Reports read run directories and nothing else: no model, no data set, no torch."""
