"""Records become scores."""
