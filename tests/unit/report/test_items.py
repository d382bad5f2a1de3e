"""What the item browser is written from and to: prompts as they were sent, data files, pairs of runs."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.commands.main import main
from gemma_eval.errors import RunError
from gemma_eval.prompt.sections import Section, split_into_sections
from gemma_eval.report.items import write_items
from gemma_eval.report.shards import ITEMS, Shards, write_data
from gemma_eval.store.prompts import KEPT, LONGEST, reading_prompts, writing_prompts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import GenerateResponse, Image, Parts, Prompt
from tests.runs import choice, generated, write_run

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)  # halves of surrogate pairs too
JSON = st.recursive(ANY_TEXT | st.integers(-9, 9), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=3))

any_folder = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def read_data(folder: Path, name: str) -> Any:
    """What a data file hands over."""
    text = (folder / "data" / f"{name}.js").read_bytes().decode("ascii")
    start, end = f'gemmaEval.receive("{name}",', ");\n"
    assert text.startswith(start) and text.endswith(end) and "<" not in text and text.count("\n") == 1
    return json.loads(text.removeprefix(start).removesuffix(end))


@any_folder
@given(JSON)
def test_data_files_are_ascii_and_hand_over_what_was_written(tmp_path: Path, value: Any) -> None:
    write_data(tmp_path, "any/thing", value)
    assert read_data(tmp_path, "any/thing") == value


@any_folder
@given(st.lists(st.tuples(st.integers(0, 400_000), st.sampled_from(["one", "two", "three"])), max_size=12))
def test_every_item_is_found_in_the_file_that_the_starts_name(tmp_path: Path, items: list[tuple[int, str]]) -> None:
    shards = Shards(tmp_path, "task")
    for number, (size, text) in enumerate(items):
        shards.add({"id": number, "text": shards.text(text), "long": "x" * size})
    shards.close()
    assert len(shards.starts) <= max(1, len(items))
    for number, (size, text) in enumerate(items):
        at = max(n for n, start in enumerate(shards.starts) if start <= number)
        content = read_data(tmp_path, f"task/{at:03}")
        item = content["items"][number - shards.starts[at]]
        assert (item["id"], len(item["long"]), content["texts"][item["text"]]) == (number, size, text)
        assert len(content["items"]) <= ITEMS


# -- prompts --------------------------------------------------------------------------------------------------

PARTS = st.lists(st.one_of(st.text("ab \n", max_size=6), st.integers(0, 3).map(lambda n: Image(bytes([n])))), max_size=4).map(tuple)
PROMPTS = st.builds(
    Prompt, PARTS, st.lists(PARTS, max_size=3).map(tuple), PARTS, st.text("ab ", max_size=4)
)  # fmt: skip


def rendered(prompt: Prompt, chat: bool) -> tuple[list[str], list[tuple[Image, Any]]]:
    """As a completion, or as a chat template does it: turns, and texts trimmed between images."""
    texts, views = ["<turn>user\n" if chat else ""], []
    for part in _merged(prompt.without_reply):
        if isinstance(part, str):
            texts[-1] += part.strip() if chat else part
            continue
        for box in (None, (0, 0, 9, 9))[: 2 if part.data == b"\0" else 1]:  # an image with a crop, others without
            texts[-1] += "\n\n"
            texts.append("\n\n")
            views.append((part, box))
    texts[-1] += ("<end>\n<turn>model\n" if chat else "") + prompt.reply
    return texts, views


def _merged(parts: Parts) -> list[str | Image]:
    found: list[str | Image] = []
    for part in parts:
        if found and isinstance(part, str) and isinstance(found[-1], str):
            found[-1] += part
        else:
            found.append(part)
    return found


@given(PROMPTS, st.booleans())
def test_the_sections_joined_are_the_prompt_as_it_was_sent(prompt: Prompt, chat: bool) -> None:
    texts, views = rendered(prompt, chat)
    sections = split_into_sections(prompt, texts, views)
    assert "".join(section.text for section in sections) == "".join(texts)
    assert [(section.image, section.box) for section in sections if section.image] == [(image.sha256, box) for image, box in views]
    places = [len("".join(s.text for s in sections[:n])) for n, section in enumerate(sections) if section.image]
    assert places == [len("".join(texts[: n + 1])) for n in range(len(views))]
    order = [("header", "exemplar", "query", "reply").index(section.kind) for section in sections if section.kind != "template"]
    assert order == sorted(order)
    assert all(first.number <= second.number for first, second in pairwise(s for s in sections if s.kind == "exemplar"))


def test_sections_have_the_names_of_what_they_were_made_from() -> None:
    prompt = Prompt(("Q: 1+1?\nA:",), (("Q: 2+2?\nA: 4\n\n",), ("Q: 3+3?\nA: 6\n\n",)), ("Sums.\n\n",), "It is")
    whole = "<turn>user\nSums.\n\nQ: 2+2?\nA: 4\n\nQ: 3+3?\nA: 6\n\nQ: 1+1?\nA:<end>\n<turn>model\nIt is"
    assert [(s.kind, s.number, s.text) for s in split_into_sections(prompt, [whole], [])] == [
        ("template", 0, "<turn>user\n"),
        ("header", 0, "Sums.\n\n"),
        ("exemplar", 1, "Q: 2+2?\nA: 4\n\n"),
        ("exemplar", 2, "Q: 3+3?\nA: 6\n\n"),
        ("query", 0, "Q: 1+1?\nA:"),
        ("template", 0, "<end>\n<turn>model\n"),
        ("reply", 0, "It is"),
    ]


def test_the_frame_of_a_picture_belongs_to_its_section() -> None:
    one, two = Image(b"1"), Image(b"2")
    prompt = Prompt((two, "Q: and here?\nA:"), ((one, "Q: what?\nA: a cat\n\n"),))
    texts = ["\n\n", "\n\n and a crop \n\n", "\n\nQ: what?\nA: a cat\n\n\n\n", "\n\nQ: and here?\nA:"]
    sections = split_into_sections(prompt, texts, [(one, None), (one, (0, 0, 5, 5)), (two, None)])
    assert [(section.kind, section.text or section.image) for section in sections] == [
        ("exemplar", "\n\n"),
        ("exemplar", one.sha256),
        ("exemplar", "\n\n and a crop \n\n"),
        ("exemplar", one.sha256),
        ("exemplar", "\n\nQ: what?\nA: a cat\n\n\n\n"),
        ("query", two.sha256),
        ("query", "\n\nQ: and here?\nA:"),
    ]


TEXT_SECTIONS = st.builds(Section, st.sampled_from(["header", "exemplar", "query"]), st.integers(0, 5), st.text(max_size=30))
IMAGE_SECTIONS = st.builds(Section, st.just("query"), image=st.just("ab" * 32), box=st.none() | st.just((1, 2, 3, 4)))


@any_folder
@given(
    st.lists(
        st.tuples(st.text(max_size=5), st.lists(TEXT_SECTIONS | IMAGE_SECTIONS, max_size=5)),
        max_size=5,
        unique_by=lambda one: one[0],
    )
)
def test_prompts_are_read_back_as_written(tmp_path: Path, written: list[tuple[str, list[Section]]]) -> None:
    run = RunDir(tmp_path)
    record = choice("piqa", "0", (-1.0, -2.0))
    query = next((s.text for _, sections in written for s in sections if s.kind == "query"), "")
    with writing_prompts(run, "piqa") as prompts:
        for number, (name, sections) in enumerate(written):
            prompts.write(SampleKey(name, "key"), query, number, sections)
    with reading_prompts(run, "piqa") as prompt:
        for number, (name, sections) in enumerate(written):
            found = prompt(replace(record, id=name, key="key", fields={"query": query}))
            assert found is not None and found.tokens == number and found.sections == sections
        assert prompt(replace(record, key="stale")) is None


def test_what_prompts_share_is_written_once_and_giants_are_cut(tmp_path: Path) -> None:
    run, prefix = RunDir(tmp_path), Section("exemplar", 1, "An exemplar. " * 100)
    haystack = Section("query", 0, "a" * LONGEST + "b" * LONGEST)
    with writing_prompts(run, "ruler") as prompts:
        for number in range(100):
            prompts.write(SampleKey(str(number), "key"), "its own question", 700, [prefix, Section("query", 0, "its own question")])
        prompts.write(SampleKey("long", "key"), None, 20_000, [haystack])
    text = (tmp_path / "prompts/ruler.jsonl").read_text()
    assert text.count("An exemplar. An exemplar.") == 50 and "its own question" not in text
    with reading_prompts(run, "ruler") as prompt:
        found = prompt(replace(choice("piqa", "long", (-1.0, -2.0)), key="key"))
    assert found is not None
    cut_text = found.sections[0].text
    assert found.left_out == 64_000
    assert cut_text.startswith("a" * KEPT + "\n[... 64,000 characters") and cut_text.endswith("\n" + "b" * KEPT)


def test_a_kill_while_prompts_are_written_leaves_those_of_before(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    with writing_prompts(run, "piqa") as prompts:
        prompts.write(SampleKey("0", "key"), None, 1, [Section("query", 0, "before")])
    with pytest.raises(KeyboardInterrupt), writing_prompts(run, "piqa") as prompts:
        prompts.write(SampleKey("0", "key"), None, 1, [Section("query", 0, "after")])
        raise KeyboardInterrupt
    with reading_prompts(run, "piqa") as prompt:
        found = prompt(replace(choice("piqa", "0", (-1.0, -2.0)), key="key"))
    assert found is not None and found.sections == [Section("query", 0, "before")]
    assert [file.name for file in (tmp_path / "prompts").iterdir()] == ["piqa.jsonl"]


# -- runs -----------------------------------------------------------------------------------------------------


def test_records_one_by_one_are_the_records(tmp_path: Path) -> None:
    records = [generated("trivia_qa", str(n), f"line {n}\u2028é", ["é"]) for n in range(5)]
    run = write_run(tmp_path / "run", {"trivia_qa": records})
    with run.append("trivia_qa") as appender:
        appender.write(replace(records[1], scores={"exact_match": 0.5}))  # scored again
        appender.write(replace(records[2], key="another model's"))
    with run.reading("trivia_qa") as record:
        assert [record(key) for key in run.keys("trivia_qa")] == run.records("trivia_qa")
        assert record(SampleKey("2", "no such")) is None
    with RunDir(tmp_path / "empty").reading("trivia_qa") as record:
        assert record(SampleKey("0", "key")) is None


@pytest.fixture
def pair(tmp_path: Path) -> list[RunDir]:
    """Two runs that share two of three questions; the second also has a task of choices."""
    ours = [
        generated("gsm8k", name, text, ["4"]) for name, text in (("a", "The answer is 4."), ("b", "no number"), ("c", "The answer is 5."))
    ]
    theirs = [
        generated("gsm8k", name, text, ["4"]) for name, text in (("b", " "), ("c", "Hm. The answer is 5."), ("d", "The answer is 4."))
    ]
    assert isinstance(ours[2].response, GenerateResponse)
    ours[2] = replace(ours[2], response=replace(ours[2].response, finish=("length",)), dropped_shots=2)
    choices = [choice("piqa", "0", (-3.0, -9.0), gold=1), choice("piqa", "1", (-3.0, -2.0), gold=1)]
    first = write_run(tmp_path / "first", {"gsm8k": ours})
    return [first, write_run(tmp_path / "second", {"gsm8k": theirs, "piqa": choices})]


def test_items_of_two_runs_are_paired_by_id(pair: list[RunDir], tmp_path: Path) -> None:
    write_items(pair, tmp_path / "items")
    index = read_data(tmp_path / "items", "gsm8k/index")
    ours, theirs = index["runs"]
    assert index["id"] == ["a", "b", "c", "d"]
    assert ours["score"] == [1, 0, 0, None] and theirs["score"] == [None, 0, 0, 1]
    assert ours["flags"] == [0, 1, 2 + 8, 0] and theirs["flags"] == [0, 1 + 4, 0, 0]
    changed = [a != b for a, b in zip(ours["answer"], theirs["answer"], strict=True)]
    assert changed == [True, False, False, True], "the extracted answer counts, not the words around it"
    item = read_data(tmp_path / "items", "gsm8k/000")["items"][2]
    assert [side["texts"] for side in item["runs"]] == [["The answer is 5."], ["Hm. The answer is 5."]] and item["target"] == ["4"]
    piqa = read_data(tmp_path / "items", "piqa/000")["items"]
    assert [item["runs"][0] for item in piqa] == [None, None] and [item["gold"] for item in piqa] == [1, 1]
    assert piqa[0]["runs"][1]["logprobs"] == [-3.0, -9.0] and piqa[1]["runs"][1]["picked"] == 1
    assert [task["name"] for task in read_data(tmp_path / "items", "runs")["tasks"]] == ["gsm8k", "piqa"]


def test_a_corpus_metric_shows_the_score_of_the_item_alone(tmp_path: Path) -> None:
    records = [generated("flores", str(n), text, ["der Hund bellt"]) for n, text in enumerate(["der Hund bellt", "die Katze", ""])]
    write_items([write_run(tmp_path / "run", {"flores": records})], tmp_path / "items")
    scores = read_data(tmp_path / "items", "flores/index")["runs"][0]["score"]
    assert scores[0] == 1 and 0 < scores[1] < 0.5 and scores[2] == 0


def test_it_is_written_beside_the_report_and_again(pair: list[RunDir], capsys: pytest.CaptureFixture[str]) -> None:
    page = pair[0].path / "report.html"
    folder = page.parent / "items"
    assert main(["report", str(pair[0].path), str(pair[1].path), "--items", "--html", str(page)]) == 0
    assert (folder / "data/piqa/index.js").is_file() and str(folder / "index.html") in capsys.readouterr().out
    assert "items/index.html" in page.read_text()
    assert main(["report", str(pair[0].path), "--items"]) == 0
    assert (folder / "data/gsm8k/index.js").is_file() and not (folder / "data/piqa").exists()
    for script in (folder / "index.html").read_text().split('src="')[1:]:
        assert (folder / script.partition('"')[0]).is_file()


def test_nothing_else_is_overwritten(pair: list[RunDir], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "data").mkdir()
    (other / "data/mine.txt").write_text("mine")
    with pytest.raises(RunError, match="not empty, and not an item browser"):
        write_items(pair, other)
    with pytest.raises(RunError, match="a run directory; name another folder"):
        write_items(pair[:1], pair[1].path)
    assert (other / "data/mine.txt").read_text() == "mine"
