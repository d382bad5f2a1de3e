"""The doctor's findings on measurements with one fault each."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from gemma_eval.backends.transformers import backend as transformers_backend
from gemma_eval.backends.transformers import full_prompt
from gemma_eval.checkpoint import quantization
from gemma_eval.commands.doctor import print_findings
from gemma_eval.doctor import measure as doctor
from gemma_eval.doctor.findings import examine
from gemma_eval.doctor.measure import REFERENCES, measure, other_measurements, read
from gemma_eval.doctor.prompts import IMAGE, PROMPTS
from gemma_eval.errors import ConfigError, RunError
from tests.settings import compose


@pytest.fixture
def reference() -> dict[str, Any]:
    (file,) = REFERENCES.glob("270m*.json")
    return read(file)


def wrong(measured: dict[str, Any], other: dict[str, Any] | None) -> set[str]:
    return {finding.name for finding in examine(measured, other) if not finding.healthy}


def test_the_stored_reference_is_healthy_and_longer_than_every_window(reference: dict[str, Any]) -> None:
    assert not wrong(reference, copy.deepcopy(reference))
    assert reference["model"]["dtype"] == "float32" and set(reference["prompts"]) == set(PROMPTS)
    assert len(reference["prompts"]["beyond the window"]["ids"]) > 1024 + 64


def change(measured: dict[str, Any], name: str, key: str, value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(measured)
    changed["prompts"][name][key] = value
    return changed


def test_each_fault_is_named(reference: dict[str, Any]) -> None:
    ids, logprobs = (reference["prompts"]["passage"][key] for key in ("ids", "logprobs"))
    assert wrong(change(reference, "passage", "ids", [2, *ids]), None) == {"passage: one BOS"}
    assert wrong(change(reference, "passage", "ids", ids[1:]), reference) == {"passage: one BOS", "passage: same token ids"}
    assert wrong(change(reference, "mixed", "logprobs", [float("nan")]), None) == {"mixed: log-probabilities"}
    silent = reference
    for name in PROMPTS:
        silent = change(silent, name, "text", " ")
    assert wrong(silent, None) == {"texts"}
    moved = change(reference, "passage", "logprobs", [value - 0.02 for value in logprobs])
    assert wrong(moved, reference) == {"passage: same log-probabilities"}
    assert not wrong(moved | {"model": moved["model"] | {"dtype": "bfloat16"}}, reference)  # within that dtype's noise
    other = reference | {"model": reference["model"] | {"checkpoint": {"path": "another"}}}
    assert wrong(reference, other) == {"same checkpoint"}


def test_what_to_compare_with(reference: dict[str, Any], tmp_path: Path) -> None:
    config = compose("model=270m", "weights=gguf_q4_k_m")
    assert other_measurements(config, reference, None) == reference
    assert other_measurements(config, reference | {"model": {"checkpoint": {}}}, None) is None
    (tmp_path / "mine.json").write_text(json.dumps(reference))
    assert other_measurements(config, reference, str(tmp_path / "mine.json")) == reference
    for text in (
        "[]",
        "{}",
        "no JSON",
        json.dumps(change(reference, "passage", "logprobs", "none")),
        json.dumps(reference | {"schema": 9}),
    ):
        (tmp_path / "mine.json").write_text(text)
        with pytest.raises(RunError, match=r"mine\.json: .*--against"):
            other_measurements(config, reference, str(tmp_path / "mine.json"))
    with pytest.raises(RunError, match=r"vlm: .*--against"):
        other_measurements(config, reference, "vlm")


def test_numbers_that_are_not_finite_are_written_as_null(reference: dict[str, Any], tmp_path: Path) -> None:
    odd = change(reference, "passage", "logprobs", [None, *reference["prompts"]["passage"]["logprobs"][1:]])
    (tmp_path / "odd.json").write_text(json.dumps(odd))
    assert "passage: same log-probabilities" in {one.name for one in examine(reference, read(tmp_path / "odd.json")) if not one.healthy}


def test_a_backend_that_cannot_load_the_weights_is_not_compared_with(reference: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantization, "_device", lambda config: "cuda")
    config = compose("model=270m", "weights=fp8", "backend=vllm")
    with pytest.raises(ConfigError, match="weights=fp8: backend=transformers cannot load it"):
        other_measurements(config, reference, "transformers")


# -- a model that reads images ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(tiny_vision: Path) -> list[str]:
    return ["model=local", f"model.path={tiny_vision}", "backend.dtype=float32", "backend.device=cpu"]


@pytest.fixture(scope="module")
def reading(settings: list[str]) -> dict[str, Any]:
    return json.loads(json.dumps(measure(compose(*settings))))  # type: ignore[no-any-return]


@pytest.mark.model
def test_an_attention_that_is_causal_inside_an_image_is_caught(
    settings: list[str], reading: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if the backend's own check lets it pass. Full prompts agree with shared prefixes while the model knows where images are."""
    full_prompts = compose(*settings, "backend.share_prefixes=false")
    assert set(reading["prompts"]) == {*PROMPTS, *IMAGE}
    monkeypatch.setattr(doctor, "PROMPTS", {})
    assert not wrong(measure(full_prompts), reading)
    monkeypatch.setattr(transformers_backend, "attends_both_ways", lambda model: True)
    monkeypatch.setattr(full_prompt, "FIRST_IMAGE", 1 << 62)  # no token is known to be of an image
    found = wrong(measure(full_prompts), reading)
    assert "image: same log-probabilities" in found <= {"image: same log-probabilities", "image: same greedy text"}


@pytest.mark.model
def test_images_that_are_refused_or_unknown_leave_the_texts_to_compare(
    settings: list[str], reading: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers_backend, "attends_both_ways", lambda model: False)
    refusing = measure(compose(*settings))
    assert wrong(refusing, reading) == {"image: answered"} and not wrong(reading, refusing)
    texts = {"prompts": {name: reading["prompts"][name] for name in PROMPTS}}
    older = {key: value for key, value in reading.items() if key != "refused"} | texts
    assert not wrong(reading, older) and not wrong(older, reading)
    console = Console(record=True, width=200)
    print_findings(refusing, reading, examine(refusing, reading), console)
    printed = console.export_text()
    assert "refused: attention" in printed and printed.endswith("healthy for text, not for images\n")
