"""What changed between two states of a split."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.data.changes import Changes, changes
from gemma_eval.data.rows import ListedRows
from gemma_eval.data.table import Table


def table(text: str) -> Table:
    """A row for each letter, with its place as id."""
    rows = [{"text": letter} for letter in text]
    return Table("org/name", "test", ListedRows(rows, Path()), [str(i) for i in range(len(rows))], [""] * len(rows), "")


@pytest.mark.parametrize(
    ("old", "new", "found", "said"),
    [
        ("abc", "abc", Changes(0, 0, 0), "the same rows"),
        ("abc", "abcd", Changes(1, 0, 0), "1 row added"),
        ("abc", "ab", Changes(0, 1, 0), "1 row removed"),
        ("abc", "axc", Changes(0, 0, 1), "1 row changed"),
        ("abc", "xabc", Changes(1, 0, 0), "1 row added"),
        ("abc", "bc", Changes(0, 1, 0), "1 row removed"),
        ("abc", "cba", Changes(0, 0, 0), "the same rows"),
        ("abcd", "axd", Changes(0, 1, 1), "1 row removed, 1 row changed"),
        ("aab", "ab", Changes(0, 1, 0), "1 row removed"),
        ("aa", "ax", Changes(0, 0, 1), "1 row changed"),
        ("", "abc", Changes(3, 0, 0), "3 rows added"),
        ("abc", "", Changes(0, 3, 0), "3 rows removed"),
        ("abc", "xyz", Changes(0, 0, 3), "3 rows changed"),
        ("", "", Changes(0, 0, 0), "the same rows"),
    ],
)
def test_changes(old: str, new: str, found: Changes, said: str) -> None:
    assert changes(table(old), table(new)) == found
    assert str(found) == said


def test_large_numbers_are_readable() -> None:
    assert str(Changes(1234, 0, 5678)) == "1,234 rows added, 5,678 rows changed"
