"""A column that a page reads and that is null, missing or of another type is a bad row by name, and never a prompt.

The bundled rows of each task are damaged, one column at a time. Which columns a page reads is recorded while its samples are built.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.data.dataset import DatasetRef
from gemma_eval.data.rows import Row, Rows
from gemma_eval.data.sources import open_source
from gemma_eval.data.table import Table
from gemma_eval.errors import DataError, PromptError
from gemma_eval.task.base import MultipleChoice, Task
from gemma_eval.task.fewshot import Fewshot
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import TaskSamples
from gemma_eval.task.samples import build as build_for
from gemma_eval.types import Image, Sample, as_text
from tests.token_counters import EvenReader

TASKS = sorted(registry())
OPTIONAL = {  # columns that a page can do without
    "blink": {"image_1", "image_2", "image_3", "image_4"},
    "gpqa": {"Explanation"},
    "hellaswag": {"source_id"},
    "mgsm": {"answer"},
}


class ChangedRows(Rows):
    """Rows, each as `change` leaves it."""

    def __init__(self, rows: Rows, change: Callable[[Row], Row]) -> None:
        self._rows = rows
        self._change = change

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, indices: Iterable[int]) -> Iterator[Row]:
        return map(self._change, self._rows.read(indices))


class ChangedSource:
    """The bundled rows. Those of the dataset that holds `split` are as `change` leaves them."""

    kind = "samples"

    def __init__(self, ref: DatasetRef, split: str, change: Callable[[Row], Row]) -> None:
        self._ref = ref
        self._split = split
        self._change = change

    def table(self, ref: DatasetRef, split: str, samples: Path) -> Table:
        table = open_source(root=None, samples=True).table(ref, split, samples)
        return replace(table, rows=ChangedRows(table.rows, self._change)) if (ref, split) == (self._ref, self._split) else table

    def available(self, ref: DatasetRef, samples: Path) -> str:
        return "bundled"


class RecordedRow(Mapping[str, Any]):
    """A row that adds the names of the columns that are read to `names`."""

    def __init__(self, row: Row, names: set[str]) -> None:
        self._row = row
        self._names = names

    def __getitem__(self, name: str) -> Any:
        self._names.add(name)
        return self._row[name]

    def __contains__(self, name: object) -> bool:
        return name in self._row

    def __iter__(self) -> Iterator[str]:
        return iter(self._row)

    def __len__(self) -> int:
        return len(self._row)


def datasets_of(task: Task) -> list[tuple[DatasetRef, str]]:
    """The datasets that a task reads, with the splits."""
    if task.dataset.generated:
        refs = [value for name, value in vars(task).items() if isinstance(value, DatasetRef) and name != "dataset"]
        return [(ref, ref.split) for ref in refs]
    drawn = task.num_fewshot and task.fewshot is not Fewshot.published
    splits = [task.dataset.split, task.dataset.fewshot_split if drawn else None]
    return [(task.dataset, split) for split in dict.fromkeys(splits) if split]


def task_of(name: str) -> Task:
    task = registry()[name]()
    task.seed = 7
    if task.dataset.generated:
        task.limit = 1  # its items are slow to make
    return task


def build(name: str, change: Callable[[Row], Row], place: int) -> TaskSamples:
    """The samples of a task, where the rows of its dataset number `place` are changed."""
    task = task_of(name)
    return build_for(task, ChangedSource(*datasets_of(task)[place], change), EvenReader)


@cache
def undamaged(name: str) -> str:
    return repr(build_for(task_of(name), open_source(root=None, samples=True), EvenReader).samples)


@cache
def columns_read(name: str, place: int) -> tuple[str, ...]:
    names: set[str] = set()
    build(name, lambda row: RecordedRow(row, names), place)
    return tuple(sorted(names))


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where a value holds others, at every depth: all fields of a mapping, and the first entry of a list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from places(inner, (*path, name))
    elif isinstance(value, list) and value:
        yield (*path, 0)
        yield from places(value[0], (*path, 0))


def changed(value: Any, path: Sequence[str | int], change: Callable[[Any], Any]) -> Any:
    """The value with what stands at `path` in it changed. A value that has nothing there, or null, stays as it is."""
    if not path:
        return change(value)
    step, *rest = path
    there = len(value) > step if isinstance(step, int) else step in value
    if not there or value[step] is None:
        return value
    inner = changed(value[step], rest, change)
    return [*value[:step], inner, *value[step + 1 :]] if isinstance(step, int) else {**value, step: inner}


def removed(value: Any, path: Sequence[str | int]) -> Any:
    """The value without what stands at `path` in it."""
    return changed(value, path[:-1], lambda mapping: {name: inner for name, inner in mapping.items() if name != path[-1]})


def constant(value: Any) -> Callable[[Any], Any]:
    """Changes anything into this value."""
    return lambda _: value


def others(value: Any) -> list[Any]:
    """Values of other types than this one."""
    if isinstance(value, Image):
        return ["text", 3, ["a"]]
    if isinstance(value, bool):
        return ["maybe", 3, 0.5, ["a"], {"a": "b"}]
    if isinstance(value, int):
        return [True, 0.5, float("inf"), "many", ["a"], {"a": "b"}]
    if isinstance(value, str):
        return [True, 0.5, [value], {"a": value}]
    if isinstance(value, list):
        return [True, 0.5, 3, "text", {"a": "b"}]
    return [True, 0.5, 3, "text", ["a"]]


def first_value(rows: Iterable[Row], path: tuple[str | int, ...]) -> Any:
    """The first value at `path` that is not null."""
    seen: list[Any] = []
    for row in rows:
        changed(row, path, seen.append)
    return seen[0] if seen else None


def cases(name: str) -> Iterator[tuple[int, tuple[str | int, ...], Any]]:
    """Every place of a task's datasets that can be damaged, with the first value that stands there."""
    for place, (ref, split) in enumerate(datasets_of(task_of(name))):
        samples = registry()[name].samples_file()
        if task_of(name).dataset.generated:
            samples = samples.with_name(f"ruler_qa_{place + 1}.jsonl")
        rows = list(open_source(root=None, samples=True).table(ref, split, samples).rows)
        paths = dict.fromkeys(
            path for row in rows for column in columns_read(name, place) if column in row
            for path in ((column,), *places(row[column], (column,)))
        )  # fmt: skip
        for path in paths:
            if (value := first_value(rows, path)) is not None:
                yield place, path, value


def check(name: str, place: int, path: tuple[str | int, ...], change: Callable[[Row], Row]) -> None:
    """The damage is a bad row that names the column, unless the page does not read what is damaged, or can do without it."""
    try:
        built = build(name, change, place)
        reasons = list(built.refused.values())
    except DataError as error:
        reasons = [str(error)]
    for reason in reasons:
        assert reason.startswith(f"{name}: samples:") and "row=" in reason and "\n" not in reason
        assert re.search(rf"\b{path[0]}\b", reason.partition("; it has")[0]), (path, reason)
    if reasons:
        return
    if repr(built.samples) != undamaged(name):
        optional = OPTIONAL.get(registry()[name].bundled or name, set())
        assert path[0] in optional, (path, "a damaged column became a sample")
        assert repr(built.samples).count("None") <= undamaged(name).count("None")
    else:
        assert len(path) > 1 or path[0] in OPTIONAL.get(registry()[name].bundled or name, set()), (path, "read, and its damage not seen")


@pytest.mark.parametrize("name", TASKS)
def test_a_null_is_a_bad_row(name: str) -> None:
    for place, path, _ in cases(name):
        for null in (None, float("nan")):
            check(name, place, path, partial(changed, path=path, change=constant(null)))


@pytest.mark.parametrize("name", TASKS)
def test_a_missing_column_is_a_bad_row(name: str) -> None:
    for place, path, _ in cases(name):
        if isinstance(path[-1], str):
            check(name, place, path, partial(removed, path=path))


@pytest.mark.parametrize("name", TASKS)
def test_blank_text_and_an_empty_list_are_bad_rows_where_no_bundled_row_has_such(name: str) -> None:
    for place, path, value in cases(name):
        if isinstance(path[-1], str) and isinstance(value, str | list) and not shown_empty(name, place, path):
            empties: list[Any] = ["", " \n"] if isinstance(value, str) else [[]]
            for empty in empties:
                check(name, place, path, partial(changed, path=path, change=constant(empty)))


def shown_empty(name: str, place: int, path: tuple[str | int, ...]) -> bool:
    """Whether a bundled row has nothing at `path`, or the page says that it may."""
    ref, split = datasets_of(task_of(name))[place]
    samples = registry()[name].samples_file()
    if task_of(name).dataset.generated:
        samples = samples.with_name(f"ruler_qa_{place + 1}.jsonl")
    seen: list[Any] = []
    for one in {split, ref.split, ref.fewshot_split} - {None}:
        with contextlib.suppress(DataError):
            for row in open_source(root=None, samples=True).table(ref, str(one), samples).rows:
                changed(row, path, seen.append)
    return any(value in ("", []) for value in seen) or path[0] in registry()[name].may_be_blank


@pytest.mark.parametrize("name", TASKS)
def test_another_type_is_a_bad_row(name: str) -> None:
    for place, path, value in cases(name):
        for other in others(value):
            check(name, place, path, partial(changed, path=path, change=constant(other)))


@pytest.mark.parametrize("name", TASKS)
def test_a_number_and_its_digits_are_the_same(name: str) -> None:
    def other(value: Any) -> Any:
        if isinstance(value, str) and value.isdecimal() and str(int(value)) == value:
            return int(value)
        return str(value) if type(value) is int else value

    for place, path, _ in cases(name):
        assert repr(build(name, partial(changed, path=path, change=other), place).samples) == undamaged(name), path


def test_a_bad_exemplar_is_named_and_not_the_item_that_it_is_shown_to() -> None:
    def without_goal(row: Row) -> Row:
        return {**row, "goal": None}

    task = registry()["piqa"](num_fewshot=1, seed=1)
    with pytest.raises(
        DataError, match=r"^piqa: samples:baber/piqa config=default split=train row=\d+: bad row: column 'goal': found null, "
    ):
        build_for(task, ChangedSource(task.dataset, "train", without_goal))
    task = registry()["piqa"](num_fewshot=1, seed=1)
    with pytest.raises(DataError, match=r"split=train row=\d+: bad row: answer 2 is not among 2 choices \(last column read: 'label'\)"):
        build_for(task, ChangedSource(task.dataset, "train", lambda row: {**row, "label": 2}))


@dataclass
class Capitals(MultipleChoice):
    """A page without bundled rows."""

    dataset: DatasetRef = DatasetRef("example/capitals", split="test")

    name = "capitals_without_rows"

    def query(self, row: Row) -> str:
        return f"The capital of {row['country']} is"

    def choices(self, row: Row) -> list[str]:
        return list(row["cities"])

    def answer(self, row: Row) -> int:
        return int(row["gold"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"country": None}, "bad row: column 'country': found null, expected a value"),
        ({"cities": ["Oslo", None]}, r"bad row: column 'cities\[1\]': found null, expected a value"),
        ({"gold": "first"}, r"bad row: invalid literal for int\(\) with base 10: 'first' \(last column read: 'gold'\)"),
        ({"gold": 2}, r"bad row: answer 2 is not among 2 choices"),
    ],
)
def test_a_page_without_bundled_rows(changed: Row, message: str, tmp_path: Path) -> None:
    folder = tmp_path / "example" / "capitals"
    folder.mkdir(parents=True)
    rows = [
        {"country": "Peru", "cities": ["Lima", "Cusco"], "gold": 0},
        {"country": "Norway", "cities": ["Oslo", "Bergen"], "gold": 0, **changed},
    ]
    (folder / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    built = build_for(Capitals(), open_source(root=str(tmp_path), samples=False))
    assert [sample.id for sample in built.samples] == ["0"] and list(built.refused) == ["1"]
    assert re.match(rf"capitals_without_rows: example/capitals config=default split=test row=1: {message}", built.refused["1"])


@pytest.mark.data
@pytest.mark.parametrize("name", TASKS)
def test_real_rows_are_good_rows(name: str, data_root: Path) -> None:
    """The columns of real rows hold what the bundled rows show. The folder may lack some configurations and exemplar splits."""
    task = registry()[name](seed=1, num_fewshot=0, limit=200)
    source = open_source(root=str(data_root), samples=False)
    if task.dataset.generated or source.available(task.dataset, task.samples_file()) != "in folder":
        pytest.skip(f"{task.dataset.repo} is not in GEMMA_EVAL_DATA")
    task.dataset = replace(task.dataset, split={"chartqa": "test"}.get(name, task.dataset.split))  # the folder has no other split of it
    try:
        table = task.table(source, None)
    except DataError as error:
        if "no such configuration" not in str(error):
            raise
        pytest.skip(str(error))
    assert len(build_for(task, source).samples) == min(200, len(table.rows))


ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 99)
    | st.floats()
    | st.sampled_from(["", " \n", "E", "5", "-1", "the", "?!", "half \ud83d", "nul \0", "<bos>", "None"])
    | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "label", "value"]), inner, max_size=2),
    max_leaves=4,
)
QUICK = [name for name in TASKS if not registry()[name]().dataset.generated]


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data(), name=st.sampled_from(QUICK))
def test_any_value_makes_an_item_or_a_bad_row(data: st.DataObject, name: str) -> None:
    damages = [
        (path, data.draw(ANYTHING, label=f"{place} {path}"))
        for place, path, _ in data.draw(st.lists(st.sampled_from([case for case in cases(name) if case[0] == 0]), min_size=1, max_size=2))
    ]

    def change(row: Row) -> Row:
        for path, value in damages:
            row = changed(row, path, constant(value))
        return row

    try:
        built = build(name, change, 0)
    except DataError as error:
        assert "\n" not in str(error) and str(error).startswith(name)
        return
    assert all("bad row" in reason or "no column" in reason for reason in built.refused.values())
    for sample in built.samples:
        json.dumps([sample.id, sample.target, sample.fields], ensure_ascii=False, allow_nan=False).encode()
        if not any("None" in str(value) for _, value in damages if value is not None):
            prompt = as_text(sample.request.prompt.query)
            assert prompt.count("None") <= undamaged(name).count("None"), (name, damages)


@pytest.mark.parametrize("name", [name for name in QUICK if registry()[name].vision])
def test_a_lost_image_costs_its_own_row(name: str) -> None:
    """Whether its page looks at the image, or only the model does."""
    task = task_of(name)
    task.num_fewshot = 0
    whole = [sample.id for sample in build_for(task, open_source(root=None, samples=True), EvenReader).samples]

    lost = ""

    def lose(row: Row) -> Row:
        nonlocal lost
        first = next(iter(column for column, value in row.items() if isinstance(value, Image)))
        lost = lost or row[first].sha256
        return {**row, first: Image(gone)} if row[first].sha256 == lost else row

    def gone() -> bytes:
        raise PromptError("image lost.png: cannot be read: No such file or directory")

    built = build_for(task, ChangedSource(*datasets_of(task)[0], lose), EvenReader)
    refused = {**built.refused, **{sample.id: "" for sample in built.samples if not is_readable(sample)}}
    assert built.samples and refused and {*refused} | {sample.id for sample in built.samples} == {*whole}
    assert len(refused) < len(whole), "other rows fail too"


def is_readable(sample: Sample) -> bool:
    try:
        return all(part.data for part in sample.request.prompt.parts if isinstance(part, Image))
    except PromptError:
        return False
