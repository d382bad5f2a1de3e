"""RULER's items: they fill their length and never exceed it, hold what is asked for, and follow from seed and recipe alone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row
from gemma_eval.data.sources import SampleSource, Source, open_source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError
from gemma_eval.task.registry import registry
from gemma_eval.types import Prompt, Sample, TokenCounter
from tests.token_counters import EvenReader

TASKS = [
    *("niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3"),
    *("niah_multivalue", "niah_multiquery", "vt", "cwe", "fwe", "qa_1", "qa_2"),
]
NEEDLES = [name for name in TASKS if name.startswith("niah")]


class DocumentSource(SampleSource):
    """The bundled documents, without the bundled list of items."""

    kind = "folder"


def table(reader: Callable[[], TokenCounter] = EvenReader, source: Source | None = None, **settings: Any) -> Table:
    task = registry()["ruler"](**{"seed": 7, "items": 3, "lengths": [4096], **settings})
    return task.table(source or DocumentSource(), reader)


def item(name: str, index: int = 0, length: int = 4096, **settings: Any) -> Row:
    listed = table(lengths=[length], **settings)
    return listed.full_row(listed.rows[list(listed.ids).index(f"{length}/{name}/{index}")])


def sample(row: Row) -> Sample:
    return registry()["ruler"]().sample(row, id="0", config="", shots=[])


@settings(max_examples=80, deadline=None)
@given(
    name=st.sampled_from(TASKS),
    index=st.integers(0, 2),
    length=st.sampled_from([4096, 5000, 8192, 16384]),
    characters=st.floats(2.5, 5.5),
    seed=st.integers(0, 10**6),
)
def test_an_item_fills_its_length(name: str, index: int, length: int, characters: float, seed: int) -> None:
    reader = EvenReader(characters)
    asked = sample(item(name, index, length, reader=lambda: reader, seed=seed)).request
    used = reader.tokens(asked.prompt) + asked.max_tokens  # type: ignore[union-attr]
    assert 0.95 * length <= used <= length


@pytest.mark.parametrize("name", TASKS)
def test_the_shortest_length_holds_every_task(name: str) -> None:
    reader = EvenReader(3.7)  # Gemma reads the wordy tasks at this rate
    asked = sample(item(name, length=1024, reader=lambda: reader)).request
    assert reader.tokens(asked.prompt) + asked.max_tokens <= 1024  # type: ignore[union-attr]


def test_few_texts_are_counted() -> None:
    """Counting is what making an item costs."""
    counted: list[str] = []

    class CountingReader(EvenReader):
        def tokens(self, prompt: Prompt) -> int:
            counted.append("")
            return super().tokens(prompt)

    for name in TASKS:
        counted.clear()
        item(name, length=131072, reader=CountingReader)
        assert len(counted) <= 8, name


@pytest.mark.parametrize("name", TASKS)
def test_items_follow_from_the_seed(name: str) -> None:
    assert item(name) == item(name)
    assert item(name)["query"] != item(name, seed=8)["query"]
    if not name.startswith("qa"):
        assert item(name)["query"] != item(name, 1)["query"]


@pytest.mark.parametrize("name", TASKS)
def test_all_lengths_ask_for_the_same(name: str) -> None:
    assert item(name)["answers"] == item(name, length=8192)["answers"]


def test_more_items_are_the_same_and_more() -> None:
    few, many = table(items=1), table(items=3)
    assert set(few.ids) < set(many.ids)
    assert few.full_row(few.rows[0]) == many.full_row(many.rows[list(many.ids).index(few.ids[0])])


# -- answers found again by reading the text --------------------------------------------------------------------


def read_needles(row: Row) -> set[str]:
    """Values of the keys named in the question, each needle standing once, and none for another key with that value."""
    lines = re.findall(r"One of the special magic \w+ for (\S+) is: ([\w-]+)\.", row["query"])
    assert len(set(lines)) == len(lines)
    named = re.search(r" for (.+) mentioned in the provided text\?", row["query"])
    assert named
    keys = {name.removeprefix("and ") for name in named[1].split(", ")}
    found = {value for key, value in lines if key in keys}
    assert found.isdisjoint(value for key, value in lines if key not in keys)
    return found


def read_chain(row: Row) -> set[str]:
    text = row["query"].rpartition("Memorize and track")[2]
    value = re.search(r"assigned the value (\d+) in", text)
    assert value
    known: set[str] = set()
    for name, origin in re.findall(r"^VAR (\w+) = (?:VAR )?(\w+) ?$", text, re.MULTILINE):
        if origin == value[1] or origin in known:
            known.add(name)
    return known


def read_common(row: Row) -> set[str]:
    words = re.findall(r"\d+\. ([\w-]+)", row["query"].rpartition("Below is")[2])
    counts = Counter(words).most_common(11)
    assert counts[9][1] > counts[10][1]
    return {word for word, _ in counts[:10]}


def read_frequent(row: Row) -> set[str]:
    counts = Counter(re.findall(r"\b[a-z]{6}\b", row["query"].split("coded words. ")[1].split("\n")[0])).most_common(4)
    assert counts[2][1] > counts[3][1]
    return {word for word, _ in counts[:3]}


READ: dict[str, Callable[[Row], set[str]]] = {
    **dict.fromkeys(NEEDLES, read_needles),
    "vt": read_chain,
    "cwe": read_common,
    "fwe": read_frequent,
}


@pytest.mark.parametrize("name", READ)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**9), length=st.sampled_from([1024, 4096, 7000]))
def test_the_answers_stand_in_the_text(name: str, seed: int, length: int) -> None:
    reader = EvenReader(3.7)
    row = item(name, length=length, seed=seed, reader=lambda: reader)
    assert READ[name](row) == set(row["answers"])
    assert len(row["answers"]) == {"niah_multivalue": 4, "niah_multiquery": 4, "vt": 5, "cwe": 10, "fwe": 3}.get(name, 1)


@pytest.mark.parametrize("name", ["qa_1", "qa_2"])
@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_documents_hold_the_answer(name: str, index: int) -> None:
    reader = EvenReader(3.7)
    row = item(name, index, length=1024, reader=lambda: reader)
    documents = re.split(r"(?:^|\n\n)Document \d+:\n", row["query"].partition("given documents.\n\n")[2])[1:]
    assert len(set(documents)) > 1  # the bundled ones do not suffice for one of the items: some stand there twice
    assert any(answer in text for answer in row["answers"] for text in documents)


# -- what cannot be had -----------------------------------------------------------------------------------------


def test_lengths_beyond_the_context_are_left_out_by_name() -> None:
    reader = EvenReader(context_length=8192)
    listed = table(lambda: reader, lengths=[8192, 16384])
    assert {row["length"] for row in listed.rows} == {8192}
    assert listed.missing == {"16384": "longer than the model's context of 8192 tokens"}


def test_questions_without_documents_are_left_out_by_name(tmp_path: Path) -> None:
    listed = table(source=open_source(root=str(tmp_path), samples=False))
    assert {row["task"] for row in listed.rows} == set(TASKS) - {"qa_1", "qa_2"}
    assert "rajpurkar/squad_v2: not in data.root" in listed.missing["4096/qa_1"]
    assert "hotpotqa/hotpot_qa" in listed.missing["4096/qa_2"]


def test_a_haystack_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("Rain fell on the quay.  Nobody came!\nThe boat left at nine?" * 40, encoding="utf-8")
    row = item("niah_multikey_1", haystack=str(file))
    assert "Nobody came! The boat left at nine?" in row["query"] and "The grass is green" not in row["query"]
    assert read_needles(row) == set(row["answers"])
    assert item("niah_single_1", haystack=str(file)) == item("niah_single_1")
    for broken, why in ((tmp_path / "none.txt", "No such file"), (tmp_path / "empty.txt", "has no text")):
        if why == "has no text":
            broken.write_text(" \n")
        with pytest.raises(DataError, match=rf"tasks.ruler.haystack=.*{why}"):
            item("niah_single_2", haystack=str(broken))


def test_refusals() -> None:
    with pytest.raises(DataError, match=r"tasks.ruler.lengths: 256 tokens do not hold an item of cwe: the shortest takes \d+"):
        item("cwe", length=256)
    with pytest.raises(DataError, match=r"nothing is left of tasks.ruler.lengths=\[4096\]: longer than the model's context of 2048"):
        table(lambda: EvenReader(context_length=2048))


def test_a_document_source_reads_the_bundled_documents() -> None:
    file = registry()["ruler"].samples_file().with_name("ruler_qa_2.jsonl")
    assert len(DocumentSource().table(DatasetRef("hotpotqa/hotpot_qa"), "validation", file).rows) == 3
