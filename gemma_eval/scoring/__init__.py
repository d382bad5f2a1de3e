"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import choice, code, math, qa

__all__ = ["choice", "code", "math", "qa"]
