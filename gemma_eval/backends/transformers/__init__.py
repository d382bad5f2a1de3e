"""The transformers backend: Hugging Face's own model code, with every shared prefix computed once."""

from gemma_eval.backends.transformers.backend import TransformersBackend

__all__ = ["TransformersBackend"]
