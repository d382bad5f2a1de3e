"""Evaluate Gemma 3 models on the benchmarks of their model card.

`import gemma_eval` is light: no torch, no transformers, no network. The command line is `gemma-eval`; from Python,
start with `gemma_eval.task.registry.registry()` and `gemma_eval.store.run_dir.RunDir`.
"""

__version__ = "0.1.0"
