"""What can be done with a run: prepare it, answer it, score it again, watch it."""
