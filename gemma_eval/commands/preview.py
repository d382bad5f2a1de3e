"""`gemma-eval preview`: rendered prompts with their token ids, as the model will read them. It is the cheapest check of a protocol."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import report_missing
from gemma_eval.commands.hydra_settings import add_settings, with_settings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from gemma_eval.run.prepare import PreparedSample
    from gemma_eval.settings import RunConfig
    from gemma_eval.types import Encoded, TokenIds

NAME = "preview"
HELP = "a task's rendered prompts with their token ids"

DEFAULTS = {"model": "270m", "weights": "gguf_q4_k_m", "data": "samples", "limit": "2"}
SHOWN_IDS = 24  # at each end of a prompt


def add_arguments(parser: CommandParser) -> None:
    """Take a task and settings."""
    parser.description = "Show a task's rendered prompts with their token ids, as the model will read them."
    parser.add_argument("task", metavar="TASK", help="a task of `gemma-eval tasks`, or several: piqa,arc_easy")
    parser.epilog = f"defaults: {' '.join(f'{key}={value}' for key, value in DEFAULTS.items())}"
    add_settings(parser, usage="%(prog)s TASK [key=value ...]")


def main(arguments: argparse.Namespace) -> int:
    """Print the first samples of the task."""
    return with_settings([f"suite={arguments.task}", *with_defaults(arguments.settings)], _preview)


def with_defaults(settings: list[str]) -> list[str]:
    """The settings after defaults that need no network, as far as the settings leave them open."""
    given = {setting.partition("=")[0] for setting in settings}
    ours = {"model", "weights"} if {"model", "weights"} & given else set()  # weights go with a model
    if "data.root" in given:
        ours = ours | {"data"}
    return [f"{key}={value}" for key, value in DEFAULTS.items() if key not in given | ours] + settings


def _preview(config: RunConfig) -> int:
    from gemma_eval.report.console import default_console

    return report_missing(preview(config, default_console()))


def preview(config: RunConfig, console: Console) -> dict[str, str]:
    """Print the samples of the settings' tasks. Returns what could not be had, a message by task."""
    from gemma_eval.run.prepare import prepare

    prepared = prepare(config, weights=False)
    for item in prepared.samples:
        console.rule()
        for line in shown(item, prepared.backend.tokenizer):
            console.print(line, soft_wrap=True)
    return prepared.missing.by_task()


def shown(item: PreparedSample, tokenizer: Any) -> list[Text]:
    """The sample's name, its prompt as text, what follows, and the prompt's token ids."""
    from rich.text import Text

    from gemma_eval.types import EncodedScore

    sample, encoded, decode = item.sample, item.encoded, tokenizer.decode
    lines = [Text(f"{item.task.name}  {sample.subset}  {sample.id}", style="bold"), Text(_readable(decode, encoded))]
    if isinstance(encoded, EncodedScore):
        gold = sample.target.get("gold") if isinstance(sample.target, dict) else None
        for number, (sequence, start) in enumerate(zip(encoded.sequences, encoded.starts, strict=True)):
            ids = " ".join(map(str, sequence[start:]))
            text = f"{'*' if gold == number else ' '} [{number}] {decode(sequence[start:])!r}  ids {ids}"
            lines.append(Text(text, style="bold" if gold == number else ""))
    else:
        lines.append(Text(f"* {sample.target!r}", style="bold"))
        lines.append(Text(f"stop {list(encoded.request.stop)!r}, at most {encoded.request.max_tokens} tokens", style="dim"))
    return [*lines, _ids(encoded.prompt, getattr(tokenizer, "bos_token_id", None))]


def _readable(decode: Callable[[TokenIds], str], encoded: Encoded) -> str:
    """The prompt as text, with a note in place of an image's soft tokens."""
    text, at = "", 0
    for span in encoded.images:
        part = f", part {span.box}" if span.box else ""
        text += f"{decode(encoded.prompt[at : span.start])}[{span.end - span.start} soft tokens: image {span.image.sha256[:8]}{part}]"
        at = span.end
    return text + decode(encoded.prompt[at:])


def _ids(prompt: TokenIds, bos: int | None) -> Text:
    """The prompt's ids with BOS marked. The middle of a long prompt is left out."""
    from rich.text import Text

    text = Text(f"{len(prompt)} tokens: ", style="dim")
    for at, token in enumerate(prompt):
        if at == SHOWN_IDS and len(prompt) > 2 * SHOWN_IDS:
            text.append(f"... {len(prompt) - 2 * SHOWN_IDS} more ... ", style="dim")
        if at < SHOWN_IDS or at >= len(prompt) - SHOWN_IDS:
            is_bos = at == 0 and token == bos
            text.append(f"<BOS {token}> " if is_bos else f"{token} ", style="bold green" if is_bos else "")
    return text
