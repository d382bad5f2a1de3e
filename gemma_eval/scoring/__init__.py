"""Records become scores: graded beside the model, then summarized with intervals."""
