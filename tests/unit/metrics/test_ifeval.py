"""IFEval: the traps of its checks, strict and loose, and its four accuracies."""

from __future__ import annotations

from typing import Any

import pytest

from gemma_eval.metrics import hf_evaluate as metrics
from gemma_eval.metrics import ifeval
from gemma_eval.scoring.summary import summarize
from gemma_eval.task.base import Generation
from gemma_eval.task.registry import registry
from gemma_eval.types import JSON, GenerateResponse, Record


@pytest.mark.parametrize(
    ("instruction", "given", "text", "followed"),
    [
        ("punctuation:no_comma", {}, "a, b", False),
        ("punctuation:no_comma", {}, " ", False),  # nothing follows no instruction
        ("length_constraints:number_words", {"num_words": 3, "relation": "less than"}, "one two", True),
        ("length_constraints:number_words", {"num_words": 3, "relation": "at least"}, "don't go", True),  # "don", "t", "go"
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a\n***\nb\n***\n", True),
        ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, "a *** *** b", False),  # an empty one between
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "Cats concatenate", True),
        ("keywords:forbidden_words", {"forbidden_words": ["cat"]}, "a CAT", False),
        ("keywords:letter_frequency", {"letter": "#", "let_frequency": 2, "let_relation": "at least"}, "# #", True),
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n** b\n- c", True),  # "**" is no bullet
        ("detectable_format:number_bullet_lists", {"num_bullets": 2}, "* a\n* b\n* c", False),  # exactly as many
        ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, "*a* and **", False),
        ("detectable_format:json_format", {}, '```json\n{"a": 1}\n```', True),
        ("detectable_format:json_format", {}, 'Here: {"a": 1}', False),
        ("detectable_format:multiple_sections", {"section_spliter": "Section", "num_sections": 2}, "Section 1\na\nSection 2\nb", True),
        ("combination:two_responses", {}, "a ****** a", False),  # the same twice
        ("combination:two_responses", {}, "a ****** b", True),
        ("startend:end_checker", {"end_phrase": "the end."}, '"This is THE END." ', True),
        ("startend:quotation", {}, '"', False),
        ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, "p. p. s. more", True),
        ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "less than"}, "A well-KNOWN IDEA", False),
        ("change_case:capital_word_frequency", {"capital_frequency": 2, "capital_relation": "at least"}, "DON'T", True),  # "DO", "N'T"
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a [b] ] [c]", True),
        ("detectable_content:number_placeholders", {"num_placeholders": 2}, "[a [b] ] [c\n]", False),
        ("detectable_format:title", {}, ">> <<a>> >>", True),
        ("detectable_format:title", {}, ">><<", False),
        ("detectable_format:json_format", {}, "[" * 100_000, False),
    ],
)
def test_checks(instruction: str, given: dict[str, Any], text: str, followed: bool) -> None:
    assert ifeval.follows(instruction, text, given) is followed


def test_loose_forgives_an_opening_a_closing_and_asterisks() -> None:
    given = {"end_phrase": "good night"}
    assert not ifeval.follows("startend:end_checker", "Good night\nHope this helps!", given)
    assert ifeval.follows_loosely("startend:end_checker", "Good night\nHope this helps!", given)
    assert ifeval.follows_loosely("startend:end_checker", "Sure!\n**Good night**\nBye", given)
    assert not ifeval.follows_loosely("startend:end_checker", "Good\nnight", given)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("One. Two! Three?", 3),
        ("Dr. Lund came at 4.30 p.m. today. She left", 3),  # "p.m." ends one, as for a model that does not know it
        ('"Stop." He stood still.', 2),
        ("Wait... what?", 2),
        ("No end", 1),
        ("", 0),
        ("J. R. Smith wrote it.", 1),
    ],
)
def test_sentences(text: str, count: int) -> None:
    assert ifeval.sentences(text) == count


def test_language() -> None:
    pytest.importorskip("langdetect")
    german = "Die alte Br\u00fccke steht seit vielen Jahren \u00fcber dem Fluss."
    assert ifeval.follows("language:response_language", german, {"language": "de"})
    assert not ifeval.follows("language:response_language", german, {"language": "fr"})
    assert not ifeval.follows("change_case:english_lowercase", german.lower(), {})
    assert ifeval.follows("change_case:english_lowercase", "the old bridge has stood over the river for many years.", {})
    assert ifeval.follows("language:response_language", "12345", {"language": "de"})  # nothing to tell by: as the authors


def page() -> Generation:
    task = registry()["ifeval"]()
    assert isinstance(task, Generation)
    return task


def record(id: str, text: str, *instructions: tuple[str, dict[str, Any]]) -> Record:
    target: JSON = [{"instruction": name, "arguments": given} for name, given in instructions]
    response = GenerateResponse((text,), ("eos",), (1,))
    return Record(id, "", id, "", "", response, target, page().score(target, response).scores)


def test_prompts_count_as_wholes_and_instructions_one_by_one() -> None:
    """Three instructions of four are followed, two prompts of three: 3/4 is not the mean of the prompts' shares."""
    quoted = "startend:quotation"
    records = [
        record("0", "a b", ("punctuation:no_comma", {}), (quoted, {})),
        record("1", '"a"', (quoted, {})),
        record("2", "x\n<<a>>", ("detectable_format:title", {})),
    ]
    values = {name: metric.value for name, metric in summarize(page(), records, 3).metrics.items()}
    assert values == pytest.approx({"prompt_strict": 2 / 3, "prompt_loose": 2 / 3, "instruction_strict": 3 / 4, "instruction_loose": 3 / 4})


def test_as_evaluate_metric() -> None:
    found = metrics.InstructionFollowing().compute(
        predictions=["a b", '"a"'],
        references=[["punctuation:no_comma", "startend:quotation"], ["startend:quotation"]],
        arguments=[[{}, {}], [{}]],
    )
    assert found == pytest.approx({"prompt_strict": 1 / 2, "prompt_loose": 1 / 2, "instruction_strict": 2 / 3, "instruction_loose": 2 / 3})


def test_every_check_of_the_data_is_there() -> None:
    assert len(ifeval.CHECKS) == 25


def test_arguments_that_are_not_given_are_left_out() -> None:
    row = {"prompt": "p", "instruction_id_list": ["startend:quotation"], "kwargs": [{"language": None, "letter": None}]}
    assert page().target(row) == [{"instruction": "startend:quotation", "arguments": {}}]
