"""Where texts end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.backends.stopping import before_stop


@pytest.mark.parametrize(
    ("text", "stop", "want"),
    [
        ("18\n\nQ: next", ["\nQ:", "\n\n"], "18"),
        ("18\nQ: next", ["\nQ:", "\n\n"], "18"),
        ("a<b>c", ["<b>", "b"], "a<"),  # "b" is complete first
        ("x\n\nQ:", ["Q:", "\n\nQ:"], "x"),  # both are complete at once: the one that begins first
        ("abc", ["d"], None),
        ("", ["d"], None),
        ("abc", [], None),
    ],
)
def test_a_text_ends_before_the_stop_string_that_is_complete_first(text: str, stop: list[str], want: str | None) -> None:
    assert before_stop(text, stop) == want


TEXTS = st.text("ab\n", max_size=20)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=5)


@given(TEXTS, TEXTS, STOPS)
@settings(max_examples=200, deadline=None)
def test_what_follows_a_stop_string_does_not_matter(text: str, more: str, stop: list[str]) -> None:
    """So an engine may look for stop strings as seldom as it likes."""
    ended = before_stop(text, stop)
    assert ended is None or before_stop(text + more, stop) == ended
