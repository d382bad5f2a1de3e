"""How an engine that keeps its own prefix cache is asked, and how its replies become answers.

vLLM in process and servers over HTTP share this package. Nothing here knows which engine it is.
"""

from __future__ import annotations
