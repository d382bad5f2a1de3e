"""Where commands write: any file or folder that cannot be written is named in one line, with the option that chose it."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemma_eval.commands import outputs
from gemma_eval.commands.main import main
from gemma_eval.errors import DiskError
from tests.runs import answers, write_run


@pytest.mark.parametrize(
    "command",
    [
        ["report", "RUN", "--markdown", "FILE"],
        ["report", "RUN", "--csv", "FILE"],
        ["report", "RUN", "--figures", "FILE"],
        ["report", "RUN", "--items", "FILE"],
        ["compare", "RUN", "RUN", "--json", "FILE"],
        ["baseline", "RUN", "-o", "FILE"],
        ["export", "RUN", "--to", "csv", "--out", "FILE"],
        ["export", "RUN", "--to", "lm-eval", "--out", "FILE"],
        ["export", "RUN", "--to", "model-index", "--out", "FILE"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("place", ["manifest.json/x", "n" * 300])
def test_what_cannot_be_written_is_one_line(command: list[str], place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = write_run(tmp_path / "run", {"piqa": answers([True, False, True])}).path
    words = {"RUN": str(run), "FILE": str(run / place)}
    assert main([words.get(word, word) for word in command]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and str(run / place)[:200] in told and told.count("\n") == 1


def test_a_check_leaves_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    outputs.check(tmp_path / "old", "-o")
    outputs.check(tmp_path / "new" / "file", "-o")
    assert (tmp_path / "old").read_text() == "old" and not (tmp_path / "new" / "file").exists()
    with pytest.raises(DiskError, match="Is a directory; name a file; choose another place with -o"):
        outputs.check(tmp_path, "-o")


def test_halves_of_surrogate_pairs_are_written(tmp_path: Path) -> None:
    outputs.write(tmp_path / "file", "half \ud83d of it", "-o")
    assert (tmp_path / "file").read_text() == "half \\ud83d of it"
