"""Every prompt has one BOS, at its start, whatever its text says. Over-long prompts drop whole exemplars."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.data.sources import open_source
from gemma_eval.errors import PromptError
from gemma_eval.prompt.control import ControlTokens
from gemma_eval.prompt.renderer import ImageTokens, Renderer, request_batches
from gemma_eval.prompt.tokenizing import LineEncoder, encode_texts
from gemma_eval.task.registry import registry
from gemma_eval.task.samples import build
from gemma_eval.types import Continuation, Encoded, EncodedGenerate, EncodedScore, Generate, Image, Prompt, Request, Score
from tests.gemma_chat import GEMMA_CHAT
from tests.settings import compose

BOS = 2


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
    control = ControlTokens(tokenizer)
    encoder = LineEncoder.of(tokenizer, control)
    assert encoder is not None
    encoder.CHECKED = 1  # so that it does not fall back on encoding whole texts
    joined = [[token for line in encoder.lines(text) for token in encode_texts(tokenizer, control, [line])[0]] for text in texts]
    assert joined == encode_texts(tokenizer, control, texts) == encoder.encode(texts)
    assert encoder.trusted


@pytest.mark.parametrize("name", sorted(registry()))
@pytest.mark.parametrize("chat", [False, True])
def test_every_task_has_one_bos(tokenizer: Any, name: str, chat: bool) -> None:
    tokenizer.chat_template = GEMMA_CHAT
    task = registry()[name]()
    task.seed = 1
    image_tokens = ImageTokens.of({"vision_config": {}} if task.vision else {})
    renderer = Renderer(tokenizer, context_length=32768, chat=chat, image_tokens=image_tokens)
    encoded = renderer.encode([sample.request for sample in build(task, open_source(root=None, samples=True), lambda: renderer).samples])
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


def test_images_are_refused_by_a_text_renderer(tokenizer: Any) -> None:
    encoded = Renderer(tokenizer, context_length=10).encode([Generate(Prompt((Image(b"png"), "what?")), (), 5)])
    assert isinstance(encoded[0], PromptError) and "image" in str(encoded[0])


def test_an_option_in_the_blank_keeps_its_distance_in_a_chat(tokenizer: Any) -> None:
    tokenizer.chat_template = GEMMA_CHAT
    request = Score(Prompt(("Ann thanked Eve, for",)), (Continuation(" had helped.", given="Eve"), Continuation(" Eve had helped.")))
    encoded = one(Renderer(tokenizer, context_length=100, chat=True), request)
    assert isinstance(encoded, EncodedScore)
    assert [tokenizer.decode(ids).rpartition("model\n")[2] for ids in encoded.sequences] == ["Eve had helped."] * 2


def test_a_template_keeps_its_first_marker_where_no_bos_is_added(smollm2_gguf: Path) -> None:
    """SmolLM2's tokenizer names the marker of a turn as BOS, and puts nothing before a text."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(compose("model=local", f"model.path={smollm2_gguf}")).path)
    messages = [{"role": "user", "content": "Hello"}]
    renderer = Renderer(tokenizer, context_length=100, chat=True)
    assert renderer.bos == []
    encoded = one(renderer, Generate(Prompt(("Hello",)), (), 5))
    assert isinstance(encoded, EncodedGenerate)
    assert tokenizer.decode(encoded.prompt) == tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def test_a_system_prompt_is_refused_where_there_are_no_roles(tokenizer: Any) -> None:
    (encoded,) = Renderer(tokenizer, context_length=100).encode([Generate(Prompt(("Hello",), system="Be brief."), (), 5)])
    assert isinstance(encoded, PromptError) and "variant=it" in str(encoded)


def test_a_given_beginning_of_the_answer_stands_in_the_models_turn(tokenizer: Any) -> None:
    tokenizer.chat_template = GEMMA_CHAT
    prompt = Prompt(("Q?",), reply=" It is")
    for chat, text in ((False, "Q? It is"), (True, "<start_of_turn>user\nQ?<end_of_turn>\n<start_of_turn>model\n It is")):
        renderer = Renderer(tokenizer, context_length=100, chat=chat)
        encoded = one(renderer, Generate(prompt, (), 5))
        assert tokenizer.decode(encoded.prompt[1:]) == text
        assert renderer.tokens(prompt) == len(encoded.prompt)


def test_half_a_surrogate_pair_fails_alone(tokenizer: Any) -> None:
    prompt = Prompt(("What?",))
    requests: list[Request] = [
        Generate(Prompt(("half \ud83d",)), (), 5),
        Score(prompt, (Continuation(" \udc00"),)),
        Generate(prompt, (), 5),
    ]
    *refused, encoded = Renderer(tokenizer, context_length=100).encode(requests)
    assert all(isinstance(one, PromptError) and "surrogate" in str(one) for one in refused)
    assert not isinstance(encoded, PromptError)


def test_batches_do_not_show(tokenizer: Any) -> None:
    requests = [Generate(Prompt((f"{i} {'a line of text' * i}\n" * 3,)), (), 5) for i in range(9)]
    assert [len(batch) for batch in request_batches(requests, characters=200)] != [9]
    assert [request for batch in request_batches(requests, characters=200) for request in batch] == requests


@pytest.mark.parametrize("length", [131_072, 700], ids=["whole", "exemplars dropped"])
@pytest.mark.parametrize("name", ["drop", "gsm8k", "mmlu", "wmt24pp", "gsm8k_it", "mmlu_pro_it"])
def test_the_sections_kept_are_the_text_that_was_encoded(tokenizer: Any, name: str, length: int) -> None:
    tokenizer.chat_template = GEMMA_CHAT
    task = registry()[name]()
    task.seed, task.limit = 7, 8
    renderer = Renderer(tokenizer, context_length=length, chat=task.chat)
    for sample in build(task, open_source(root=None, samples=True)).samples:
        encoded = renderer.encode([sample.request])[0]
        if isinstance(encoded, PromptError):
            continue
        sections = renderer.sections(sample.request, encoded)
        assert "".join(section.text for section in sections).rstrip(" ") == tokenizer.decode(encoded.prompt[1:])
        shots = {section.number for section in sections if section.kind == "exemplar"}
        assert shots == set(range(1, len(sample.request.prompt.shots) - encoded.dropped_shots + 1))
        query = "".join(section.text for section in sections if section.kind == "query")
        assert query.strip() == "".join(map(str, sample.request.prompt.query)).strip()
