"""Runs to look at, with questions, choices and prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from gemma_eval.prompt.sections import Section
from gemma_eval.store.prompts import writing_prompts
from gemma_eval.store.records import SampleKey
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Record
from tests.runs import choice, write_run


def question(number: int, picked: int, *, subsets: int = 57, words: str = "") -> Record:
    """A four-choice question of MMLU, answered with `picked`; the gold choice is `number % 4`."""
    gaps = [-2.0 if index == picked else -3.0 - index / 8 for index in range(4)]
    record = choice("mmlu", f"item-{number}", gaps, gold=number % 4)
    asked = f"Question {number} of {words or 'many'}?\nA. one\nB. two\nC. three\nD. four\nAnswer:"
    return replace(record, subset=f"subject_{number % subsets:02}", fields={"query": asked, "choices": list("ABCD")})


def with_prompts(run: RunDir, task: str, records: Sequence[Record], shots: int = 5) -> RunDir:
    with writing_prompts(run, task) as prompts:
        for record in records:
            header = Section("header", text=f"Questions about {record.subset}.\n\n")
            examples = [Section("exemplar", n, f"An example {n} of {record.subset}.\n\n") for n in range(1, shots + 1)]
            query = Section("query", text=str(record.fields["query"]))
            prompts.write(SampleKey(record.id, record.key), record.fields["query"], 612, [header, *examples, query])
    return run


def quiz(path: Path, picks: Sequence[int], subsets: int = 57) -> RunDir:
    """A run of MMLU whose n-th question was answered with `picks[n]`."""
    records = [question(number, picked, subsets=subsets) for number, picked in enumerate(picks)]
    return with_prompts(write_run(path, {"mmlu": records}), "mmlu", records)
