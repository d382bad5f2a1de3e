"""What `preview` chooses for those who choose nothing."""

from __future__ import annotations

import pytest

from gemma_eval.commands.preview import with_defaults


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ([], ["model=270m", "weights=gguf_q4_k_m", "data=samples", "limit=2"]),
        (["limit=9"], ["model=270m", "weights=gguf_q4_k_m", "data=samples"]),
        (["model=4b"], ["data=samples", "limit=2"]),
        (["weights=bf16"], ["data=samples", "limit=2"]),
        (["data.root=x"], ["model=270m", "weights=gguf_q4_k_m", "limit=2"]),
    ],
)
def test_defaults(given: list[str], added: list[str]) -> None:
    assert with_defaults(given) == added + given
