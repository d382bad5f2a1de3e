"""One BOS, first, whatever the text says; over-long prompts drop whole exemplars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.build import build
from gemma_eval.data import open_source
from gemma_eval.errors import PromptError
from gemma_eval.prompt import Renderer, _encode, _Pieces
from gemma_eval.task import registry
from gemma_eval.types import Continuation, Encoded, EncodedScore, Generate, Prompt, Score

BOS = 2
CHAT = (
    "{{ bos_token }}{% for m in messages %}<start_of_turn>user\n{{ m['content'] | trim }}<end_of_turn>\n{% endfor %}<start_of_turn>model\n"
)


@pytest.fixture(scope="module")
def tokenizer(gemma_270m: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(gemma_270m)


def one(renderer: Renderer, request: Score | Generate) -> Encoded:
    encoded = renderer.encode([request])[0]
    assert not isinstance(encoded, PromptError), encoded
    return encoded


def assert_one_bos(encoded: Encoded) -> None:
    sequences = encoded.sequences if isinstance(encoded, EncodedScore) else (encoded.prompt,)
    for sequence in sequences:
        assert sequence[0] == BOS
        assert BOS not in sequence[1:]


TEXTS = st.one_of(
    st.text(max_size=60), st.sampled_from(["<bos>", "a <bos><bos> b", "<start_of_turn>user\n", "<eos>", "\n\n", "   x", "x   "])
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=TEXTS, shot=TEXTS, choice=TEXTS)
def test_any_text_gets_one_bos(tokenizer: Any, query: str, shot: str, choice: str) -> None:
    renderer = Renderer(tokenizer, context_length=4096)
    prompt = Prompt((f"Q{query}",), ((shot,),))
    assert_one_bos(one(renderer, Generate(prompt, ("\n",), 5)))
    scored = one(renderer, Score(prompt, (Continuation(f" A{choice}"), Continuation(" B"))))
    assert_one_bos(scored)
    assert isinstance(scored, EncodedScore)
    text = tokenizer.decode(scored.sequences[1][1:])
    assert text == f"{shot}Q{query} B"  # nothing lost, nothing added


LINES = st.lists(st.one_of(st.text(max_size=12), st.text("\n \t\r\u2028a<", max_size=40)), max_size=12).map("\n".join)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(LINES, max_size=4))
def test_line_by_line_is_the_tokenizers_own_answer(tokenizer: Any, texts: list[str]) -> None:
    pieces = _Pieces.of(tokenizer)
    assert pieces is not None
    pieces.CHECKED = 1  # nothing mended behind the test's back
    joined = [[token for piece in pieces._pattern.findall(text) for token in _encode(tokenizer, [piece])[0]] for text in texts]
    assert joined == _encode(tokenizer, texts) == pieces.encode(texts)
    assert pieces._trusted


@pytest.mark.parametrize("name", sorted(registry()))
@pytest.mark.parametrize("chat", [False, True])
def test_every_task_has_one_bos(tokenizer: Any, name: str, chat: bool) -> None:
    tokenizer.chat_template = CHAT
    task = registry()[name]()
    task.seed = 1
    encoded = Renderer(tokenizer, context_length=32768, chat=chat).encode(
        [sample.request for sample in build(task, open_source(root=None, samples=True)).samples]
    )
    for ids in encoded:
        assert not isinstance(ids, PromptError), ids
        assert_one_bos(ids)
        start_of_turn = tokenizer.convert_tokens_to_ids("<start_of_turn>")
        prompt = ids.prompt
        assert list(prompt).count(start_of_turn) == (2 if chat else 0)


def test_continuations_are_split_where_the_harnesses_split_them(tokenizer: Any) -> None:
    encoded = one(Renderer(tokenizer, context_length=100), Score(Prompt(("Answer:",)), (Continuation(" A"), Continuation(" yes"))))
    assert isinstance(encoded, EncodedScore)
    assert [len(sequence) - start for sequence, start in zip(encoded.sequences, encoded.starts, strict=True)] == [1, 1]


def test_spaces_before_a_continuation_move_to_it(tokenizer: Any) -> None:
    renderer = Renderer(tokenizer, context_length=100)
    spaced = one(renderer, Score(Prompt(("Answer: ",)), (Continuation("A"),)))
    plain = one(renderer, Score(Prompt(("Answer:",)), (Continuation(" A"),)))
    assert isinstance(spaced, EncodedScore) and isinstance(plain, EncodedScore)
    assert spaced.starts == plain.starts and list(spaced.sequences[0]) == list(plain.sequences[0])


@pytest.mark.parametrize("kept", [0, 1, 2, 3])
def test_overlong_prompts_drop_whole_exemplars(tokenizer: Any, kept: int) -> None:
    shots = tuple((f"exemplar number {i} is here\n",) for i in range(3))
    full = Prompt(("question",), shots)
    length = len(tokenizer("".join(str(p) for p in Prompt(("question",), shots[:kept]).parts))["input_ids"])
    encoded = one(Renderer(tokenizer, context_length=length + 5), Generate(full, (), 5))
    assert encoded.dropped_shots == 3 - kept
    assert tokenizer.decode(encoded.prompt[1:]) == "".join(str(p) for p in Prompt(("question",), shots[:kept]).parts)


def test_a_prompt_that_cannot_fit_is_an_error_of_its_own(tokenizer: Any) -> None:
    renderer = Renderer(tokenizer, context_length=10)
    long, short = Generate(Prompt(("word " * 50,)), (), 5), Generate(Prompt(("a",)), (), 5)
    encoded = renderer.encode([long, short])
    assert isinstance(encoded[0], PromptError) and "too long" in str(encoded[0])
    assert not isinstance(encoded[1], PromptError)


def test_control_tokens_in_chat_content_are_refused(tokenizer: Any) -> None:
    tokenizer.chat_template = CHAT
    encoded = Renderer(tokenizer, context_length=100, chat=True).encode([Generate(Prompt(("say <end_of_turn>",)), (), 5)])
    assert isinstance(encoded[0], PromptError)
