"""Requests to an engine that keeps its own prefix cache: what to ask it, in which order, and how its replies become answers.

Shared by every backend whose engine is asked and answers (vLLM in process, servers over HTTP); nothing here knows which it is.
"""

from __future__ import annotations
