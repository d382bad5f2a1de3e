"""A run directory with one file damaged: every command that reads it ends in its own verdict or in one line, and never in a traceback."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from gemma_eval.prompt.sections import Section
from gemma_eval.store.prompts import writing_prompts
from tests.damage import damaged_bytes
from tests.fuzz.outcomes import Outcome, run_command
from tests.runs import answers, generated, write_run

RIGHT = [True, True, False, True, False, True]
TEXTS = ["The answer is 4.", "no number", "The answer is 5.", "", "The answer is 4.", "The answer is 4."]
FILES = [
    "manifest.json", "scores.json", "environment.json", "usage.json", "memory.json", "prompts/piqa.jsonl",
    "records/piqa.jsonl", "records/gsm8k.jsonl", "records/flores.jsonl",
]  # fmt: skip
COMMANDS = [
    ["report", "RUN"],
    ["report", "RUN", "--items", "OUT/items", "--html", "OUT/page.html"],
    ["compare", "BASE", "RUN", "--json", "-"],
    ["compare", "RUN", "BASE"],
    ["gate", "RUN", "--baseline", "BASE"],
    ["gate", "BASE", "--baseline", "RUN", "--json", "OUT/gate.json"],
    ["rescore", "RUN"],
    ["export", "RUN", "--to", "csv", "--out", "OUT"],
    ["export", "RUN", "--to", "lm-eval", "--out", "OUT"],
    ["baseline", "RUN", "-o", "OUT/b.json.gz"],
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of three kinds of tasks: choices, texts, and a corpus metric."""
    records = {
        "piqa": answers(RIGHT),
        "gsm8k": [generated("gsm8k", str(number), text, ["4"]) for number, text in enumerate(TEXTS)],
        "flores": [generated("flores", str(number), "der Hund", ["der Hund bellt"], subset=f"en-{number % 2}") for number in range(6)],
    }
    run = write_run(tmp_path_factory.mktemp("fuzz") / "run", records)
    run.write_json("memory.json", {"host": 2**30})
    with writing_prompts(run, "piqa") as prompts:
        for key in run.keys("piqa"):
            prompts.write(key, "query", 7, [Section("exemplar", 1, "One."), Section("query", 0, f"Question {key.id}?")])
    return run.path


@contextmanager
def copied(base: Path) -> Iterator[tuple[Path, Path]]:
    """A copy of the run, and a folder for what commands write."""
    with TemporaryDirectory() as folder:
        shutil.copytree(base, Path(folder) / "run")
        yield Path(folder) / "run", Path(folder) / "out"


def outcome(command: list[str], base: Path, run: Path, out: Path) -> Outcome:
    places = {"BASE": str(base), "RUN": str(run), "OUT": str(out)}
    return run_command([re.sub("BASE|RUN|OUT", lambda found: places[found[0]], word) for word in command])


bounded = settings(deadline=None, max_examples=40, phases=[Phase.explicit, Phase.generate])  # shrinking takes minutes


@bounded
@given(file=st.sampled_from(FILES), command=st.sampled_from(COMMANDS), data=st.data())
def test_a_damaged_file(base: Path, file: str, command: list[str], data: st.DataObject) -> None:
    with copied(base) as (run, out):
        (run / file).write_bytes(data.draw(damaged_bytes((run / file).read_bytes())))
        found = outcome(command, base, run, out)
        found.check()
        assert found.refused or not re.search(r"\bnan\b", found.printed, re.IGNORECASE)


@pytest.mark.parametrize(("file", "command"), [(file, COMMANDS[number % len(COMMANDS)]) for number, file in enumerate(FILES * 2)])
def test_a_folder_in_the_place_of_a_file(base: Path, file: str, command: list[str]) -> None:
    with copied(base) as (run, out):
        (run / file).unlink()
        (run / file).mkdir()
        outcome(command, base, run, out).check()
