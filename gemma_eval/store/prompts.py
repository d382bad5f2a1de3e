"""`prompts/<task>.jsonl`: every sample's prompt, in the words that were sent.

A line is either a text, `{"text": ..., "left_out": 0}`, or a prompt that names texts by their number in the file:

    {"id": ..., "key": ..., "tokens": 612, "sections": [["exemplar", 1, 0], ["query", 0, null], ["query", 0, "<sha256>", box]]}

A section is a kind, a number and a text. Null stands for the record's own field `query`. A hash stands for an image, with a box of pixels
if the section shows a crop. So a prefix that thousands of prompts share is written once, and no question is written twice. The middle of a
very long text is left out, since RULER's haystacks would take gigabytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, TextIO

from gemma_eval.errors import RunError
from gemma_eval.prompt.sections import Section
from gemma_eval.store.documents import parsed, to_text
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Record

LONGEST = 40_000  # characters of a text that are kept whole
KEPT = 8_000  # characters at either end of a longer one


@dataclass(frozen=True)
class SentPrompt:
    """A prompt read back. `tokens`: their number as the model read it, with BOS and the soft tokens of images."""

    tokens: int
    sections: list[Section]
    left_out: int = 0  # characters that were not kept


def _name(task: str) -> str:
    return f"prompts/{task}.jsonl"


class PromptWriter:
    """Writes the prompts of one task."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._numbers: dict[bytes, int] = {}  # of the texts written, by hash

    def write(self, entry: SampleKey, query: object, tokens: int, sections: Sequence[Section]) -> None:
        """Write one prompt. `query`: the record's field of that name, which is not written again."""
        listed = [self._section(section, query) for section in sections]
        self._line({"id": entry.id, "key": entry.key, "tokens": tokens, "sections": listed})

    def _section(self, section: Section, query: object) -> list[Any]:
        if section.image:
            return [section.kind, section.number, section.image, section.box]
        return [section.kind, section.number, None if section.text == query else self._number(section.text)]

    def _number(self, text: str) -> int:
        digest = sha256(text.encode("utf-8", "surrogatepass")).digest()
        if digest not in self._numbers:
            self._numbers[digest] = len(self._numbers)
            self._line(_shortened(text))
        return self._numbers[digest]

    def _line(self, value: dict[str, Any]) -> None:
        self._stream.write(to_text(value, compact=True) + "\n")


def _shortened(text: str) -> dict[str, Any]:
    if len(text) <= LONGEST:
        return {"text": text, "left_out": 0}
    left_out = len(text) - 2 * KEPT
    return {"text": f"{text[:KEPT]}\n[... {left_out:,} characters are not kept ...]\n{text[-KEPT:]}", "left_out": left_out}


def has_prompts(run: RunDir, task: str, entries: Sequence[SampleKey]) -> bool:
    """Whether the run has kept the prompts of exactly these samples. Prompts are written before the manifest that lists them."""
    return (run.path / _name(task)).is_file() and run.has_manifest and run.keys(task) == entries


@contextmanager
def writing_prompts(run: RunDir, task: str) -> Iterator[PromptWriter]:
    """Write the prompts of a task anew."""
    with run.replacing(_name(task)) as stream:
        yield PromptWriter(stream)


@contextmanager
def reading_prompts(run: RunDir, task: str) -> Iterator[Callable[[Record], SentPrompt | None]]:
    """A function from a record to its prompt, or to None if the run kept none. Memory holds only places in the file."""
    file = run.path / _name(task)
    if not file.is_file():
        yield lambda record: None
        return
    prompts: dict[SampleKey, int] = {}
    texts: list[int] = []
    with file.open("rb") as stream:

        def line(place: int) -> Any:
            stream.seek(place)
            return parsed(stream.readline())

        @lru_cache(maxsize=256)
        def text(number: int) -> tuple[str, int]:
            found = line(texts[number])
            return str(found["text"]), int(found["left_out"])

        def section(record: Record, kind: Any, number: int, content: str | int | None, box: Any = None) -> tuple[Section, int]:
            if isinstance(content, str):
                return Section(kind, number, image=content, box=tuple(box) if box else None), 0
            words, left_out = (str(record.fields["query"]), 0) if content is None else text(content)
            return Section(kind, number, words), left_out

        def prompt(record: Record) -> SentPrompt | None:
            place = prompts.get(SampleKey(record.id, record.key))
            if place is None:
                return None
            with _naming_damage(file):
                found = line(place)
                sections = [section(record, *listed) for listed in found["sections"]]
                return SentPrompt(int(found["tokens"]), [one for one, _ in sections], sum(left_out for _, left_out in sections))

        with _naming_damage(file):
            place = 0
            for content in stream:
                value = parsed(content)
                if "text" in value:
                    texts.append(place)
                else:
                    prompts[SampleKey(value["id"], value["key"])] = place
                place += len(content)
        yield prompt


@contextmanager
def _naming_damage(file: Path) -> Iterator[None]:
    """A block that reads what `PromptWriter` wrote. Raises `RunError` if it finds anything else."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise RunError(f"{file}: damaged ({error!r}); delete the file and run the same command again") from error
