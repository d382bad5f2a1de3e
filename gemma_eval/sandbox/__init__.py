"""Generated code runs here, contained."""
