"""Two or more finished runs, compared item by item. Needs no model, no data set and no torch.

from gemma_eval.compare import compare, paired
compare("results/a", "results/b")     # per task and pooled: differences with intervals and tests
paired("results/a", "results/b")      # a pandas DataFrame, one row per item both answered
"""

from __future__ import annotations

from gemma_eval.compare.baseline import save_baseline
from gemma_eval.compare.comparability import Agreement
from gemma_eval.compare.comparison import Comparison, TaskComparison, compare
from gemma_eval.compare.frame import paired
from gemma_eval.compare.load import load
from gemma_eval.compare.results import Results

__all__ = ["Agreement", "Comparison", "Results", "TaskComparison", "compare", "load", "paired", "save_baseline"]
