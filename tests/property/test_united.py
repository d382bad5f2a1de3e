"""A run that is started again: what it asked before stays, scores are never replaced, and no two engines' answers stand in one run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.errors import RunError
from gemma_eval.store import manifest
from gemma_eval.store.manifest import Manifest, TaskManifest
from gemma_eval.store.records import SampleKey
from tests.runs import MODEL


def united(old: Manifest, new: Manifest, *, same_engine: bool, renewed: bool = False) -> Manifest:
    """The union where every task chooses its items by the same settings."""
    engine = [] if same_engine else ["dtype bfloat16 then, float32 now"]
    return manifest.united(old, new, engine=engine, choosing=dict.fromkeys(new.tasks, ("limit", "seed", "items")), renewed=renewed)


ENGINES = ["bfloat16", "float32"]
SAME = [(engine, engine) for engine in ENGINES]
OTHER = [("bfloat16", "float32"), ("float32", "bfloat16")]
ALL = [str(i) for i in range(4)]  # ids of all items


def task(engine: str, shots: int, metric: str, names: list[str]) -> TaskManifest:
    """A task as the runner writes it: the request's key says engine and prompt, not the metric."""
    samples = [SampleKey(name, f"{engine} {shots} {name}") for name in names]
    settings = {"limit": len(names), "seed": 1, "num_fewshot": shots, "normalization": metric}
    return TaskManifest(settings=settings, size=len(ALL), source="folder", samples=samples)


def tasks(engine: str) -> st.SearchStrategy[dict[str, TaskManifest]]:
    items = st.lists(st.sampled_from(ALL), unique=True)
    one = st.builds(task, st.just(engine), st.sampled_from([0, 5]), st.sampled_from(["none", "characters"]), items)
    return st.dictionaries(st.sampled_from("ab"), one)


@st.composite
def starts(draw: st.DrawFn, engines: Sequence[tuple[str, str]] = (*SAME, *OTHER)) -> tuple[Manifest, Manifest, bool]:
    """What two starts of a run ask, and whether they have one engine."""
    of_old, of_new = draw(st.sampled_from(engines))
    old, new = (
        Manifest(model=MODEL, tasks=draw(tasks(engine)), plugins=draw(st.lists(st.sampled_from(["p.py", "q.py"]), unique=True)))
        for engine in (of_old, of_new)
    )
    return old, new, of_old == of_new


def ids(found: TaskManifest) -> set[str]:
    return {key.id for key in found.samples}


def same_protocol(old: TaskManifest, new: TaskManifest) -> bool:
    return all(old.settings[name] == new.settings[name] for name in ("num_fewshot", "normalization"))


def nested(old: TaskManifest, new: TaskManifest) -> bool:
    """Whether one start asks a part of what the other asks, by the same engine and protocol."""
    before, now = set(old.samples), set(new.samples)
    return same_protocol(old, new) and (before <= now or now <= before)


@settings(max_examples=200)
@given(starts())
def test_nothing_is_lost(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, same_engine = start
    try:
        union = united(old, new, same_engine=same_engine)
    except RunError:
        return
    for name, before in old.tasks.items():
        kept = union.tasks[name]
        assert kept == before or (kept == new.tasks[name] and set(kept.samples) >= set(before.samples) and same_protocol(before, kept))
    for name, now in new.tasks.items():
        assert set(union.tasks[name].samples) >= set(now.samples)
    assert union.tasks.keys() == old.tasks.keys() | new.tasks.keys()
    assert union.model == new.model and set(union.plugins) >= set(new.plugins)


@given(starts(OTHER))
def test_no_two_engines_in_one_run(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, _ = start
    with pytest.raises(RunError, match=r"another model or engine \(dtype bfloat16 then, float32 now\).*run=NAME"):
        united(old, new, same_engine=False)


@settings(max_examples=200)
@given(starts(SAME))
def test_refused_where_scores_would_be_replaced_and_only_there(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, _ = start
    lost = [name for name, before in old.tasks.items() if name in new.tasks and not nested(before, new.tasks[name])]
    if not lost:
        united(old, new, same_engine=True)
        return
    with pytest.raises(RunError, match="run=NAME") as refused:
        united(old, new, same_engine=True)
    assert any(str(refused.value).startswith(f"{name}: this run has ") for name in lost) and "\n" not in str(refused.value)


@settings(max_examples=200)
@given(starts())
def test_the_same_start_again_changes_nothing(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, same_engine = start
    assert united(new, new, same_engine=True) == new
    try:
        union = united(old, new, same_engine=same_engine)
    except RunError:
        return
    assert united(union, new, same_engine=True) == union


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_fewshot": 5}, "num_fewshot=0 then, 5 now"),
        ({"normalization": "characters"}, "normalization=none then, characters now"),
        ({"dataset": {"repo": "other", "pinned": "a"}}, "dataset.repo=piqa then, other now"),
    ],
)
def test_other_settings_are_named(settings: dict[str, object], message: str) -> None:
    before = task("e", 0, "none", ALL)
    before.settings["dataset"] = {"repo": "piqa", "pinned": "a"}
    now = replace(before, settings=before.settings | settings)
    with pytest.raises(RunError, match=rf"^piqa: this run has 4 items of it.*\({re.escape(message)}\); choose another name with run=NAME$"):
        united(Manifest(model=MODEL, tasks={"piqa": before}), Manifest(model=MODEL, tasks={"piqa": now}), same_engine=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"dataset": {"repo": "piqa", "pinned": "b", "revision": "main"}},  # rows are compared by their hash
        {"sandbox": "subprocess"},  # it changes the risk, not the score
        {"of_a_newer_page": 1},  # the request keys tell whether it matters
        {"seed": 2},  # all items are asked either way
    ],
)
def test_settings_that_change_no_score(settings: dict[str, object]) -> None:
    before = task("e", 0, "none", ALL)
    before.settings.update({"dataset": {"repo": "piqa", "pinned": "a"}, "sandbox": "bubblewrap"})
    new = Manifest(model=MODEL, tasks={"piqa": replace(before, settings=before.settings | settings)})
    assert united(Manifest(model=MODEL, tasks={"piqa": before}), new, same_engine=True) == new


def test_rows_that_changed_are_asked_anew_where_the_user_wants_them() -> None:
    before, now = task("e", 0, "none", ALL), task("other rows", 0, "none", ALL)
    old, new = Manifest(model=MODEL, tasks={"piqa": before}), Manifest(model=MODEL, tasks={"piqa": now})
    assert united(old, new, same_engine=True, renewed=True) == new
    with pytest.raises(RunError, match="the prompts or the data differ"):
        united(old, new, same_engine=True)


def test_a_task_that_stays_keeps_its_plugin() -> None:
    """Its scores are written again, which needs its page."""
    old = Manifest(model=MODEL, tasks={"capitals": task("e", 0, "none", ["0"])}, plugins=["capitals.py"])
    new = Manifest(model=MODEL, tasks={"piqa": task("e", 0, "none", ["0"])}, plugins=["other.py"])
    assert united(old, new, same_engine=True).plugins == ["capitals.py", "other.py"]


def test_a_narrower_start_keeps_the_name_of_the_suite() -> None:
    old = Manifest(
        model=MODEL, suite="card_pt", tasks={"piqa": task("float32", 0, "none", ["0"]), "boolq": task("float32", 0, "none", ["0"])}
    )
    new = Manifest(model=MODEL, suite="piqa", tasks={"piqa": task("float32", 0, "none", ["0"])})
    assert united(old, new, same_engine=True).suite == "card_pt"
    assert united(new, old, same_engine=True).suite == "card_pt"
