"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import agieval, choice, chrf, drop, eclektic, ifeval, math, qa

__all__ = ["agieval", "choice", "chrf", "drop", "eclektic", "ifeval", "math", "qa"]
