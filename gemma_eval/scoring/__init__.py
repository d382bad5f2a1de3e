"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import agieval, choice, chrf, code, drop, eclektic, final_answer, ifeval, letters, math, minerva, qa, squad

__all__ = ["agieval", "choice", "chrf", "code", "drop", "eclektic", "final_answer", "ifeval", "letters", "math", "minerva", "qa", "squad"]
