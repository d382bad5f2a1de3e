from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gemma_eval.metrics import ifeval
from gemma_eval.task import JSON, CorpusScore, DatasetRef, Generation, Grade, Row, register

ARGUMENTS: dict[str, list[str]] = {  # what each instruction needs to be checked
    "change_case:capital_word_frequency": ["capital_frequency", "capital_relation"],
    "change_case:english_capital": [],
    "change_case:english_lowercase": [],
    "combination:repeat_prompt": ["prompt_to_repeat"],
    "combination:two_responses": [],
    "detectable_content:number_placeholders": ["num_placeholders"],
    "detectable_content:postscript": ["postscript_marker"],
    "detectable_format:constrained_response": [],
    "detectable_format:json_format": [],
    "detectable_format:multiple_sections": ["num_sections", "section_spliter"],
    "detectable_format:number_bullet_lists": ["num_bullets"],
    "detectable_format:number_highlighted_sections": ["num_highlights"],
    "detectable_format:title": [],
    "keywords:existence": ["keywords"],
    "keywords:forbidden_words": ["forbidden_words"],
    "keywords:frequency": ["frequency", "keyword", "relation"],
    "keywords:letter_frequency": ["let_frequency", "let_relation", "letter"],
    "language:response_language": ["language"],
    "length_constraints:nth_paragraph_first_word": ["first_word", "nth_paragraph", "num_paragraphs"],
    "length_constraints:number_paragraphs": ["num_paragraphs"],
    "length_constraints:number_sentences": ["num_sentences", "relation"],
    "length_constraints:number_words": ["num_words", "relation"],
    "punctuation:no_comma": [],
    "startend:end_checker": ["end_phrase"],
    "startend:quotation": [],
}


@register
@dataclass
class IFEval(Generation):
    """IFEval (Zhou et al., 2023, arXiv 2311.07911): 541 prompts with instructions that a program can check.

    Licence: Apache 2.0. Card row: "IFEval", 0-shot.

    The report states zero-shot sampling. It does not say which of the four accuracies it gives: ours is the strict one by prompt,
    where a prompt counts if all its instructions are followed. `instruction_*` count each instruction. The loose ones also accept a
    reply without its first line, last line or asterisks. The authors count sentences with a model of NLTK, we count them by rules.
    """

    dataset: DatasetRef = DatasetRef("google/IFEval", split="train", pinned="966cd89545d6b6acfd7638bc708b98261ca58e84")
    max_tokens: int = 2048
    stop: list[str] = field(default_factory=list)

    name = "ifeval"
    chat = True
    card = "IFEval"
    undisclosed = (
        "Google does not say which of the four accuracies it reports; ours is the strict one by prompt. We count sentences by rules, not "
        "by NLTK's model."
    )
    comparable = False
    primary = "prompt_strict"

    @property
    def metrics(self) -> tuple[str, ...]:
        return ("prompt_strict", "prompt_loose", "instruction_strict", "instruction_loose")

    def corpus_metrics(self) -> dict[str, CorpusScore]:
        return {"instruction_strict": ifeval.share, "instruction_loose": ifeval.share}

    def query(self, row: Row) -> str:
        return str(row["prompt"]).rstrip()

    def golds(self, row: Row) -> list[str]:
        return []  # open-ended

    def target(self, row: Row) -> JSON:
        target: list[JSON] = []
        for instruction, given in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            arguments = {name: value for name, value in given.items() if value is not None}
            if lacking := [name for name in ARGUMENTS[instruction] if name not in arguments]:
                raise ValueError(f"kwargs of {instruction}: {', '.join(lacking)} not given")
            target.append({"instruction": instruction, "arguments": arguments})
        return target

    def grade(self, text: str, target: JSON) -> Grade:
        strict, loose = (
            [check(instruction, text, arguments) for instruction, arguments in _instructions(target)]
            for check in (ifeval.follows, ifeval.follows_loosely)
        )
        return Grade(
            {
                "prompt_strict": float(all(strict)),
                "prompt_loose": float(all(loose)),
                "instruction_strict": _count(strict),
                "instruction_loose": _count(loose),
            }
        )


def _instructions(target: JSON) -> list[tuple[str, dict[str, Any]]]:
    """Name and arguments of each instruction."""
    assert isinstance(target, list)
    return [(str(item["instruction"]), dict(item["arguments"])) for item in target if isinstance(item, dict)]  # type: ignore[arg-type]


def _count(followed: Sequence[bool]) -> list[int]:
    """Instructions followed, and all instructions."""
    return [sum(followed), len(followed)]
