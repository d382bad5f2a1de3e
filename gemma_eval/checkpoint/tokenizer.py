"""The tokenizer and the image processor of a checkpoint: there, whole, and those of its model.

transformers makes a tokenizer of five tokens where the files are missing, and takes any tokenizer for any model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemma_eval.checkpoint.files import first, reason, refuse_pointer
from gemma_eval.checkpoint.quiet import quiet
from gemma_eval.errors import ConfigError

SAMPLE = "Is it 12,345 km to Zürich?\n\n  def f(x):\treturn 'it's' # 漢字 🙂"
PADDING = 1024  # rows of an embedding for which its tokenizer may have no token


def load_tokenizer(folder: Path, config: Any) -> Any:
    """The tokenizer in a checkpoint folder. `config`: the model's `PreTrainedConfig`.

    Raises `ConfigError` if there is none, if its files cannot be read, or if it is another model's.
    """
    import transformers

    for file in (file for pattern in ("*.json", "*.model", "*.jinja") for file in sorted(folder.glob(pattern))):
        refuse_pointer(file)
    try:
        with quiet():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
            why = _unfit(folder, tokenizer, config)
    except Exception as error:  # each class of tokenizer reads files of its own, and may raise anything, when it is asked too
        raise ConfigError(f"{folder}: its tokenizer cannot be read ({reason(error)}): download or copy its files again") from error
    if why:
        raise ConfigError(f"{folder}: {why}")
    return tokenizer


def _unfit(folder: Path, tokenizer: Any, config: Any) -> str:
    """What is wrong with a tokenizer, and how to mend it; empty if nothing is."""
    names = sorted({*type(tokenizer).vocab_files_names.values()})
    if names and not any((folder / name).is_file() for name in names):
        return f"no tokenizer there ({' or '.join(names)}): copy the tokenizer's files beside the weights"
    if why := _foreign(tokenizer, config):
        return f"the tokenizer is another model's: {why}: take its files from where the weights come from"
    if not _as_written(folder / "tokenizer.json", tokenizer):
        return (
            f"{type(tokenizer).__name__}, which transformers makes of it, splits texts otherwise than tokenizer.json says: "
            'copy tokenizer_config.json again, or let it name "tokenizer_class": "PreTrainedTokenizerFast"'
        )
    return ""


def _as_written(file: Path, tokenizer: Any) -> bool:
    """Whether the tokenizer splits a text as its file says. transformers' own classes keep the vocabulary and may change the rest."""
    from tokenizers import Tokenizer

    if not file.is_file():
        return True
    written = Tokenizer.from_file(str(file))
    written.no_truncation()
    written.no_padding()
    return bool(tokenizer(SAMPLE, add_special_tokens=False)["input_ids"] == written.encode(SAMPLE, add_special_tokens=False).ids)


def load_image_processor(folder: Path) -> Any:
    """The image processor in a checkpoint folder. It resizes with Pillow, so that pixel values are the same whatever is installed.

    Raises `ConfigError` if there is none, or if its files cannot be read.
    """
    import transformers

    try:
        with quiet():
            return transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    except Exception as error:  # each class of processor has settings of its own, and may raise anything
        raise ConfigError(
            f"{folder}: no image processor that can be read: copy preprocessor_config.json or processor_config.json beside the weights "
            f"({reason(error)})"
        ) from error


def _foreign(tokenizer: Any, config: Any) -> str:
    """Why the tokenizer is another model's; empty if nothing says so.

    Special tokens may be unknown to the model: Gemma 3's text models have no embedding for the tokens of an image.
    """
    text = config.get_text_config()
    known = getattr(text, "vocab_size", None)
    if not known:
        return ""
    special = {*tokenizer.all_special_ids, *(number for number, token in tokenizer.added_tokens_decoder.items() if token.special)}
    if beyond := [token for token, number in tokenizer.get_vocab().items() if number >= known and number not in special]:
        return f"{len(beyond):,} of its tokens ({first(sorted(map(repr, beyond)))}) have no embedding among the model's {known:,}"
    if not str(text.model_type).startswith("gemma"):
        return ""
    if len(tokenizer) < known - PADDING:
        return f"it has {len(tokenizer):,} tokens, and the model {known:,}"
    bos = getattr(text, "bos_token_id", None)
    return f"its BOS is id {tokenizer.bos_token_id}, and the model's {bos}" if bos is not None and tokenizer.bos_token_id != bos else ""
