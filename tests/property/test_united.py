"""A run that is started again: what it asked before stays, unless it is asked anew, and no two engines' answers stand in one run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemma_eval.errors import RunError
from gemma_eval.store import manifest
from gemma_eval.store.manifest import Manifest, TaskManifest
from gemma_eval.store.records import SampleKey
from tests.runs import MODEL


def united(old: Manifest, new: Manifest, *, same_engine: bool) -> Manifest:
    """The union where every task chooses its items by the same settings."""
    return manifest.united(old, new, same_engine=same_engine, choosing=dict.fromkeys(new.tasks, ("limit", "seed", "items")))


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


def asked_anew(old: TaskManifest, new: TaskManifest) -> bool:
    return ids(new) >= ids(old)


def asked_in_part(old: TaskManifest, new: TaskManifest) -> bool:
    """Fewer of the same items, by the same engine and protocol."""
    same = all(old.settings[name] == new.settings[name] for name in ("num_fewshot", "normalization"))
    return same and set(new.samples) < set(old.samples)


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
        assert kept == before or (kept == new.tasks[name] and asked_anew(before, kept))
    for name, now in new.tasks.items():
        assert set(union.tasks[name].samples) >= set(now.samples)
    assert union.tasks.keys() == old.tasks.keys() | new.tasks.keys()
    assert union.model == new.model and set(union.plugins) >= set(new.plugins)


@settings(max_examples=200)
@given(starts(OTHER))
def test_no_two_engines_in_one_run(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, _ = start
    try:
        union = united(old, new, same_engine=False)
    except RunError:
        return
    assert union.tasks == new.tasks


@settings(max_examples=200)
@given(starts())
def test_refused_where_answers_would_be_lost_or_mixed_and_only_there(start: tuple[Manifest, Manifest, bool]) -> None:
    old, new, same_engine = start
    lost = [
        name
        for name, before in old.tasks.items()
        if (name in new.tasks or not same_engine)
        and not (name in new.tasks and asked_anew(before, new.tasks[name]))
        and not (name in new.tasks and same_engine and asked_in_part(before, new.tasks[name]))
    ]
    if not lost:
        united(old, new, same_engine=same_engine)
        return
    with pytest.raises(RunError, match="run=NAME") as refused:
        united(old, new, same_engine=same_engine)
    assert any(f"{name}: " in str(refused.value) or f" {name} " in str(refused.value).replace(",", " ") for name in lost)


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


@settings(max_examples=200)
@given(starts(), st.data())
def test_a_superset_replaces(start: tuple[Manifest, Manifest, bool], data: st.DataObject) -> None:
    """All items of all tasks are asked anew: whatever the engine and the settings, the run is the new one."""
    old, new, same_engine = start
    anew = {
        name: task(data.draw(st.sampled_from(ENGINES)), data.draw(st.sampled_from([0, 5])), "none", data.draw(st.permutations(ALL)))
        for name in old.tasks
    }
    superset = Manifest(model=new.model, tasks=new.tasks | anew, plugins=new.plugins, suite="all")
    union = united(old, superset, same_engine=same_engine)
    assert union.tasks == superset.tasks and union.suite == "all"


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
