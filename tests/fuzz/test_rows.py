"""Files of rows with one fault, read through `data.root`: rows, bad rows by name, or a refused dataset. Never another exception."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.data.json_rows import parse_rows
from gemma_eval.data.sources import open_source
from gemma_eval.errors import DataError
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from tests.damage import damaged, damaged_anywhere

ROWS = [{"goal": f"goal {i}", "sol1": f"one {i}", "sol2": f"two {i}", "label": i % 2} for i in range(4)]
LINES = "".join(f"{json.dumps(row)}\n" for row in ROWS).encode()
README = b"---\nconfigs:\n- config_name: default\n  data_files:\n  - split: validation\n    path: validation.jsonl\n---\n# A card\n"


def in_parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(ROWS), stream, row_group_size=2)
    return stream.getvalue()


FILES = {
    "validation.jsonl": LINES,
    "validation.json": json.dumps(ROWS, indent=1).encode(),
    "validation.jsonl.gz": gzip.compress(LINES, mtime=0),
    "validation.parquet": in_parquet(),
}
FUZZ = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def check(root: Path, files: dict[str, bytes]) -> None:
    """Whatever these files hold, the task is built, or refused in one line. A prompt shows no null."""
    folder = root / "data" / "baber" / "piqa"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    try:
        built = build(registry()["piqa"](seed=1), open_source(root=str(root / "data"), samples=False))
    except DataError as error:
        assert "\n" not in str(error) and "baber/piqa" in str(error)
        return
    for reason in built.refused.values():
        assert reason.startswith("piqa: baber/piqa config=default split=validation row=") and "\n" not in reason
    for sample in built.samples:
        shown = repr(sample)
        assert "None" not in shown.replace("images=None", "") and "nan" not in shown.split()
        assert isinstance(sample.target, dict) and sample.target["gold"] in [0, 1]


@FUZZ
@given(data=st.data(), name=st.sampled_from([*FILES]))
def test_files_with_a_fault_in_their_bytes(data: st.DataObject, name: str, tmp_path: Path) -> None:
    check(tmp_path, {name: data.draw(damaged_anywhere(FILES[name]))})


@FUZZ
@given(damage=damaged(ROWS), name=st.sampled_from(["validation.jsonl", "validation.json"]))
def test_rows_with_a_fault_in_their_values(damage: Any, name: str, tmp_path: Path) -> None:
    _, rows = damage
    text = json.dumps(rows) if name.endswith(".json") else "".join(f"{json.dumps(row)}\n" for row in rows)
    check(tmp_path, {name: text.encode()})


@FUZZ
@given(readme=damaged_anywhere(README))
def test_a_readme_with_a_fault(readme: bytes, tmp_path: Path) -> None:
    check(tmp_path, {"README.md": readme, "validation.jsonl": LINES})


@settings(max_examples=300, deadline=None)
@given(
    content=st.binary(max_size=40)
    | st.text('[]{}",:\\ \n019aeu\0\ud83d', max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass"))
)
def test_any_bytes_are_rows_or_a_value_error(content: bytes) -> None:
    try:
        assert all(isinstance(row, dict) for row in parse_rows(content))
    except ValueError as error:
        assert "\n" not in str(error)
