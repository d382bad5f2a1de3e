"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import choice, drop, math, qa

__all__ = ["choice", "drop", "math", "qa"]
