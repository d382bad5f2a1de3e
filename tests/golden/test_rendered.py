"""Prompts equal the files tests/golden/prompts/<task>.txt, which were reviewed by eye.

Chat forms are in Gemma's chat template, encoded and decoded again. `GEMMA_EVAL_GOLDEN=write pytest tests/golden` rewrites the files.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gemma_eval.data.sources import open_source
from gemma_eval.errors import PromptError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Sample, Score
from tests.gemma_chat import GEMMA_CHAT
from tests.token_counters import EvenReader

FOLDER = Path(__file__).parent / "prompts"
PAGES = sorted(name for name, cls in registry().items() if cls.__module__.startswith("gemma_eval.tasks"))
CHAT = [name for name in PAGES if registry()[name].chat]


def prompt_text(sample: Sample) -> str:
    return "".join(str(part) for part in sample.request.prompt.parts)


def described(sample: Sample, prompt: str) -> str:
    if isinstance(sample.request, Score):
        answers = [f"{c.given!r} + {c.text!r}" if c.given else repr(c.text) for c in sample.request.continuations]
    else:
        answers = [f"until {list(sample.request.stop)!r}, at most {sample.request.max_tokens} tokens"]
    return "\n".join([f"=== id {sample.id}  subset {sample.subset!r}", prompt + "|", "---", *answers, f"target {sample.target!r}"])


def check(name: str, render: Callable[[Sample], str]) -> None:
    task = registry()[name]()
    task.seed, task.limit = 1234, 2
    text = (
        "\n".join(described(sample, render(sample)) for sample in build(task, open_source(root=None, samples=True), EvenReader).samples)
        + "\n"
    )
    file = FOLDER / f"{name}.txt"
    if os.environ.get("GEMMA_EVAL_GOLDEN") == "write":
        file.write_text(text, encoding="utf-8")
    assert text == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in PAGES if name not in CHAT])
def test_prompts_are_as_reviewed(name: str) -> None:
    check(name, prompt_text)


@pytest.mark.parametrize("name", CHAT)
def test_chats_are_as_reviewed(name: str, gemma_270m: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gemma_270m)
    tokenizer.chat_template = GEMMA_CHAT
    renderer = Renderer(tokenizer, context_length=32768, chat=True)

    def decoded(sample: Sample) -> str:
        (encoded,) = renderer.encode([sample.request])
        assert not isinstance(encoded, PromptError)
        return str(tokenizer.decode(encoded.prompt))

    check(name, decoded)
