"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import choice, chrf, math, qa, squad

__all__ = ["choice", "chrf", "math", "qa", "squad"]
