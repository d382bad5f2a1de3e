"""Pure scoring functions: values in, numbers out. No files, no model, no task."""

from gemma_eval.scoring import agieval, choice, chrf, code, drop, eclektic, final_answer, ifeval, letters, math, minerva, qa, ruler, squad

__all__ = [
    "agieval",
    "choice",
    "chrf",
    "code",
    "drop",
    "eclektic",
    "final_answer",
    "ifeval",
    "letters",
    "math",
    "minerva",
    "qa",
    "ruler",
    "squad",
]
