"""Rendered prompts with their token ids, as the model will read them: the cheapest check of a protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from gemma_eval.config.selection import selected_tasks
from gemma_eval.data.sources import open_source
from gemma_eval.errors import PromptError
from gemma_eval.run.model import open_model, open_renderer
from gemma_eval.settings import RunConfig
from gemma_eval.task.samples import build
from gemma_eval.types import Encoded, EncodedScore, Sample, TokenIds

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
from gemma_eval.commands.exit_codes import DONE

SHOWN_IDS = 24  # at each end


def preview(config: RunConfig, console: Console | None = None) -> None:
    """Print the first samples of the suite's tasks."""
    console = console or Console(soft_wrap=True)
    source = open_source(root=config.data.root, samples=config.data.samples)
    model = open_model(config, weights=False)
    tokenizer, renderer = model.backend.tokenizer, open_renderer(config, model)
    for task in selected_tasks(config):
        built = build(task, source, lambda: renderer)
        encoded = renderer.encode([sample.request for sample in built.samples])
        for sample, ids in zip(built.samples, encoded, strict=True):
            console.rule(f"{task.name}  {sample.subset}  {sample.id}")
            if isinstance(ids, PromptError):
                console.print(Text(str(ids), style="red"))
            else:
                _show(console, tokenizer, sample, ids, renderer.bos)


def _show(console: Console, tokenizer: object, sample: Sample, encoded: Encoded, bos: list[int]) -> None:
    decode = tokenizer.decode  # type: ignore[attr-defined]
    console.print(Text(_readable(decode, encoded)))
    if isinstance(encoded, EncodedScore):
        for number, (sequence, start) in enumerate(zip(encoded.sequences, encoded.starts, strict=True)):
            mark = "*" if isinstance(sample.target, dict) and sample.target.get("gold") == number else " "
            ids = " ".join(map(str, sequence[start:]))
            console.print(Text(f"{mark} [{number}] {decode(sequence[start:])!r}  ids {ids}", style="bold" if mark == "*" else ""))
    else:
        console.print(Text(f"* {sample.target!r}", style="bold"))
        console.print(Text(f"stop {list(encoded.request.stop)!r}, at most {encoded.request.max_tokens} tokens", style="dim"))
    console.print(_ids(encoded.prompt, bos))


def _readable(decode: Callable[[TokenIds], str], encoded: Encoded) -> str:
    """The prompt as text, with a note in place of an image's soft tokens."""
    text, at = "", 0
    for span in encoded.images:
        part = f", part {span.box}" if span.box else ""
        text += f"{decode(encoded.prompt[at : span.start])}[{span.end - span.start} soft tokens: image {span.image.sha256[:8]}{part}]"
        at = span.end
    return text + decode(encoded.prompt[at:])


def _ids(prompt: TokenIds, bos: list[int]) -> Text:
    """The prompt's ids, BOS marked, the middle of a long prompt left out."""
    text = Text(f"{len(prompt)} tokens: ", style="dim")
    for at, token in enumerate(prompt):
        if at == SHOWN_IDS and len(prompt) > 2 * SHOWN_IDS:
            text.append(f"... {len(prompt) - 2 * SHOWN_IDS} more ... ", style="dim")
        if at < SHOWN_IDS or at >= len(prompt) - SHOWN_IDS:
            is_bos = at == 0 and bool(bos) and token == bos[0]
            text.append(f"<BOS {token}> " if is_bos else f"{token} ", style="bold green" if is_bos else "")
    return text


def _preview_defaults(arguments: list[str]) -> list[str]:
    given = {argument.partition("=")[0] for argument in arguments}
    defaults = {"model": "270m", "weights": "gguf_q4_k_m", "data": "samples", "limit": "2"}
    if "data.root" in given:
        del defaults["data"]
    if {"model", "weights"} & given:
        defaults = {key: value for key, value in defaults.items() if key not in {"model", "weights"}}
    return [f"{key}={value}" for key, value in defaults.items() if key not in given] + arguments


def _preview(config: RunConfig) -> int:

    preview(config)
    return DONE
