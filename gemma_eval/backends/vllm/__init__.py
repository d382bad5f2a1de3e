"""Answers from vLLM: scores through its prefix cache, texts with its continuous batching."""

from gemma_eval.backends.vllm.backend import VllmBackend

__all__ = ["VllmBackend"]
