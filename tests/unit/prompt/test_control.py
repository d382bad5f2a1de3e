"""Text that spells an added token of the tokenizer stays text: checked on every added token."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.errors import PromptError
from gemma_eval.prompt.control import CUT, ControlTokens
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.prompt.tokenizing import bos_ids, encode_texts
from gemma_eval.types import Continuation, EncodedGenerate, EncodedScore, Generate, Prompt, Score
from tests.gemma_chat import GEMMA_CHAT
from tests.settings import compose


def load(folder: Path, **changed: Any) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder, **changed)


@pytest.fixture(scope="module")
def gemma(gemma_270m: Path) -> Any:
    """Of a GGUF file: among its added tokens, <start_of_image> is not marked as special."""
    tokenizer = load(gemma_270m)
    tokenizer.chat_template = GEMMA_CHAT
    return tokenizer


@pytest.fixture(scope="module")
def smollm2(smollm2_gguf: Path) -> Any:
    return load(resolve(compose("model=local", f"model.path={smollm2_gguf}")).path)


def words(*added: tuple[str, bool], normalizer: Any = None, pre_tokenizer: Any = None, decoder: Any = None) -> Any:
    """A tokenizer of single characters with these added tokens: content, and whether it is special."""
    from tokenizers import AddedToken, Tokenizer
    from tokenizers.decoders import Fuse
    from tokenizers.models import BPE
    from transformers import PreTrainedTokenizerFast

    characters = [chr(code) for code in range(32, 127)]
    vocabulary = {token: i for i, token in enumerate(["<unk>", "▁", *characters, "<m", "<mask>", "ask>", "as", "k>"])}
    merges = [("<", "m"), ("a", "s"), ("k", ">"), ("as", "k>"), ("<m", "ask>")]
    backend = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>"))
    backend.normalizer, backend.pre_tokenizer, backend.decoder = normalizer, pre_tokenizer, decoder or Fuse()
    backend.add_tokens([AddedToken(content, special=special, normalized=False) for content, special in added])
    return PreTrainedTokenizerFast(tokenizer_object=backend)


@pytest.fixture(params=["gemma", "smollm2", "words"])
def tokenizer(request: pytest.FixtureRequest) -> Any:
    if request.param == "words":
        return words(
            ("<mask>", False), ("[INST]", False), ("<<SYS>>", True), ("<|end|>", True), ("EOT", True), ("##", False), ("<table>", False)
        )
    return request.getfixturevalue(request.param)


def control_of(tokenizer: Any, ids: Sequence[int]) -> list[int]:
    control = ControlTokens(tokenizer).ids
    return [number for number in ids if number in control]


def test_every_added_token_stays_text(tokenizer: Any) -> None:
    control = ControlTokens(tokenizer)
    assert control.can_cut and control.ids
    texts = [f"a{token.content}b" for token in tokenizer.added_tokens_decoder.values()]
    for text, number, ids in zip(texts, tokenizer.added_tokens_decoder, encode_texts(tokenizer, control, texts), strict=True):
        assert (number not in ids or number not in control.ids) and control.ids.isdisjoint(ids), text
        assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


@pytest.mark.parametrize("chat", [False, True])
def test_every_added_token_stays_text_wherever_it_stands(tokenizer: Any, chat: bool) -> None:
    """In an exemplar, a query, a continuation and a reply, whole or divided between two of them."""
    if chat and not tokenizer.chat_template:
        tokenizer.chat_template = "{% for turn in messages %}<|end|>{{ turn['content'] | trim }}{% endfor %}<|end|>"
    renderer = Renderer(tokenizer, context_length=10**6, chat=chat)
    names = [token.content for number, token in tokenizer.added_tokens_decoder.items() if number in ControlTokens(tokenizer).ids]
    names = [name for name in names if len(name) > 1 and not name.startswith("<unused")] + ["<unused7>"]
    template = renderer.encode([Generate(Prompt(("q",), reply="r"), (), 1)])[0]
    assert isinstance(template, EncodedGenerate)
    expected = control_of(tokenizer, template.prompt.tolist())
    every = " ".join(f"x{name}" for name in names)
    prompt = Prompt((f"q {every}",), ((f"{every}\n",),), (every,), reply=f"r {every}")
    (whole,) = renderer.encode([Generate(prompt, (), 1)])
    assert isinstance(whole, EncodedGenerate)
    assert control_of(tokenizer, whole.prompt.tolist()) == expected
    if renderer.bos:
        assert whole.prompt.tolist().count(renderer.bos[0]) == 1
    assert tokenizer.decode(whole.prompt, clean_up_tokenization_spaces=False).count(every) == 4
    for name in names:
        for middle in {1, len(name) // 2, len(name) - 1}:
            start, end = name[:middle], name[middle:]
            score = Score(
                Prompt((f"q {start}",), reply=start),
                (Continuation(f"{end} z"), Continuation(end, given=start), Continuation(name, given=f"{end} {start}")),
            )
            (divided,) = renderer.encode([score])
            assert isinstance(divided, EncodedScore), (name, middle, divided)
            for sequence, continuation in zip(divided.sequences, score.continuations, strict=True):
                assert control_of(tokenizer, sequence.tolist()) == expected, (name, middle)
                text = tokenizer.decode(sequence, clean_up_tokenization_spaces=False)
                assert text.endswith(start + continuation.given + continuation.text), (name, middle)


def test_white_space_and_markup_are_text(gemma: Any) -> None:
    control = ControlTokens(gemma)
    names = {token.content: number for number, token in gemma.added_tokens_decoder.items()}
    for text in ("\n\n", "\t\t\t", "<table>", "</h1>", "<img>", "<bbox>"):
        assert names[text] not in control.ids
        assert names[text] in encode_texts(gemma, control, [f"a{text}b"])[0]
    for name in ("<bos>", "<eos>", "<mask>", "[multimodal]", "<unused7>", "<start_of_turn>", "<start_of_image>"):
        assert names[name] in control.ids


@pytest.fixture(scope="module")
def renderers(gemma: Any) -> list[Renderer]:
    """Without a chat, and with one."""
    return [Renderer(gemma, context_length=4096, chat=chat) for chat in (False, True)]


PIECES = st.lists(
    st.sampled_from(["<", ">", "[", "]", "<bos>", "<start_of_image>", "start_of_image>", "[multimodal]", "<unused7", "x", " ", "\n"]),
    max_size=12,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(shot=PIECES.map("".join), query=PIECES.map("".join), text=PIECES.map("".join), chat=st.booleans())
def test_any_mixture_stays_text(gemma: Any, renderers: list[Renderer], shot: str, query: str, text: str, chat: bool) -> None:
    (encoded,) = renderers[chat].encode([Score(Prompt((f"Q{query}",), ((f"S{shot}",),)), (Continuation(f" A{text}"),))])
    assert isinstance(encoded, EncodedScore)
    ids = encoded.sequences[0].tolist()
    assert len(control_of(gemma, ids)) == (4 if chat else 1) and ids.count(2) == 1 and ids[0] == 2
    decoded = gemma.decode(ids[1:], clean_up_tokenization_spaces=False)
    assert decoded.endswith(f"A{text}") and f"S{shot}Q{query}".strip() in decoded


def test_a_cut_destroys_every_place_that_spells_a_token() -> None:
    control = ControlTokens(words(("<<a>>", True), ("<a>", True), ("a>>", False), ("aa", False)))
    assert control.cut("<<a>>") == f"<{CUT}<{CUT}a{CUT}>>" and control.cut("aaa") == f"a{CUT}a{CUT}a"
    assert control.cut("nothing < here >") == "nothing < here >"
    assert control.cut("[<a>]") == f"[<{CUT}a>]" and control.count("<a> aaa") == 3
    assert control.cut_between("x<", "a>") == CUT == control.cut_between("xa", "ay") and not control.cut_between("<a>", "x")


def test_what_no_cut_keeps_apart_is_refused_by_name() -> None:
    """A tokenizer that puts a space before each text would show the cut. What it cannot encode as text is refused, alone."""
    from tokenizers.decoders import Metaspace as Joined
    from tokenizers.pre_tokenizers import Metaspace

    spaced = words(("<mask>", False), ("<|end|>", True), pre_tokenizer=Metaspace(), decoder=Joined())
    spaced.chat_template = "<|end|>{{ messages[0]['content'] }}"
    assert not ControlTokens(spaced).can_cut
    requests = [Generate(Prompt((text,)), (), 1) for text in ("a<mask>b", "a<|end|>b", "plain")]
    for chat in (False, True):
        first, second, plain = Renderer(spaced, context_length=100, chat=chat).encode(requests)
        assert isinstance(first, PromptError) and "'<mask>'" in str(first) and "\n" not in str(first)
        assert isinstance(second, PromptError) == chat  # without a chat, special tokens are divided by the tokenizer itself
        assert isinstance(plain, EncodedGenerate)


def damaged(gemma: Any, post_processor: Any) -> Any:
    from transformers import PreTrainedTokenizerFast

    backend = copy.deepcopy(gemma.backend_tokenizer)
    backend.post_processor = post_processor
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<bos>", eos_token="<eos>")


def test_bos_stands_there_whatever_the_tokenizers_files_say(gemma: Any, gemma_270m: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    silent = damaged(gemma, TemplateProcessing("$A", special_tokens=[]))
    for tokenizer in (gemma, silent, load(gemma_270m, add_bos_token=False)):
        tokenizer.chat_template = GEMMA_CHAT
        assert bos_ids(tokenizer) == [2]
        for chat in (False, True):
            (encoded,) = Renderer(tokenizer, context_length=100, chat=chat).encode([Generate(Prompt(("Hello",)), (), 1)])
            assert isinstance(encoded, EncodedGenerate)
            assert encoded.prompt.tolist()[0] == 2 and encoded.prompt.tolist().count(2) == 1


@pytest.mark.parametrize("template", ["<bos> <bos> $A", "<eos> $A"])
def test_anything_else_before_a_text_is_refused(gemma: Any, template: str) -> None:
    from tokenizers.processors import TemplateProcessing

    other = damaged(gemma, TemplateProcessing(template, special_tokens=[("<bos>", 2), ("<eos>", 1)]))
    with pytest.raises(PromptError, match=r"^the tokenizer puts \['<(b|e)os>.* before a text; one BOS, or none, is expected$"):
        bos_ids(other)


def test_a_template_that_adds_bos_adds_no_second_one(gemma: Any) -> None:
    once = f"{{{{ bos_token }}}}{GEMMA_CHAT.replace('{{ bos_token }}', '')}"
    gemma.chat_template = once
    (encoded,) = Renderer(gemma, context_length=100, chat=True).encode([Generate(Prompt(("Hello",)), (), 1)])
    assert isinstance(encoded, EncodedGenerate) and encoded.prompt.tolist().count(2) == 1
    gemma.chat_template = "{{ bos_token }}" + once
    (refused,) = Renderer(gemma, context_length=100, chat=True).encode([Generate(Prompt(("Hello",)), (), 1)])
    assert isinstance(refused, PromptError) and "BOS" in str(refused)
    gemma.chat_template = GEMMA_CHAT


def test_smollm2_keeps_to_its_own_rule(smollm2: Any) -> None:
    """It names the marker of a turn as BOS, and puts nothing before a text."""
    assert bos_ids(smollm2) == [] and smollm2.bos_token == "<|im_start|>"
