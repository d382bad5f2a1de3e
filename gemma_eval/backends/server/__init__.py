"""Answers from a server with OpenAI's completions interface: `vllm serve`, SGLang, or llama.cpp's server."""

from gemma_eval.backends.server.backend import ServerBackend

__all__ = ["ServerBackend"]
