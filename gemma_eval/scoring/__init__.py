"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import choice, letters, math, minerva, qa

__all__ = ["choice", "letters", "math", "minerva", "qa"]
