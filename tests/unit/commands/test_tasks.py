"""The list of tasks, in terminals of any width."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands.main import main
from gemma_eval.task.registry import registry


@pytest.mark.parametrize(
    ("width", "columns"),
    [
        (70, ["Task", "Card row", "Shots", "Kind", "Availability"]),
        (80, ["Task", "Card row", "Shots", "Kind", "Availability", "Samples"]),
        (100, ["Task", "Card row", "Shots", "Kind", "Availability", "Samples"]),
        (140, ["Task", "Card row", "Shots", "Kind", "Availability", "Data", "Samples"]),
    ],
)
def test_no_name_is_cut(
    width: int, columns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["tasks", "--data-root", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].replace("Card row", "Card_row").split() == [name.replace(" ", "_") for name in columns]
    assert max(map(len, lines)) <= width and "…" not in "".join(lines)
    rows = {line.split()[0]: line for line in lines[2:] if line}
    assert set(registry()) <= set(rows)
    for name, cls in registry().items():
        assert cls.card in rows[name]


def test_kinds_have_the_fields_own_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    main(["tasks"])
    rows = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines() if line}
    assert "scoring" in rows["piqa"] and "generation" in rows["gsm8k"]


def test_a_broken_plugin_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("gemma_eval.task.registry._errors", [])
    assert main(["tasks", "--plugin", f"{tmp_path}/none.py"]) == 3
    printed = capsys.readouterr()
    assert printed.err.startswith("plugin refused: ") and f"{tmp_path}/none.py" in printed.err and "piqa" in printed.out
