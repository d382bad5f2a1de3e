"""Answers from vLLM: scoring through its prefix cache, generation with its continuous batching."""

from gemma_eval.backends.vllm.backend import VllmBackend

__all__ = ["VllmBackend"]
