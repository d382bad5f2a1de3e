"""A model's configuration: what its config.json says, and transformers' defaults for what that leaves out.

Google's config.json of the 4B, for one, names neither context length nor vocabulary: both are Gemma 3's own, which transformers knows.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gemma_eval.checkpoint.files import AGAIN, read_object, reason
from gemma_eval.checkpoint.quiet import quiet
from gemma_eval.errors import ConfigError


def load_config(folder: Path) -> Any:
    """The configuration in a checkpoint folder, a `PreTrainedConfig`. Raises `ConfigError` if transformers cannot make one of it."""
    import transformers
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    file = folder / "config.json"
    stated = read_object(file)
    model_type = stated.get("model_type")
    if not isinstance(model_type, str):
        raise ConfigError(f"{file}: names no model_type, such as gemma3_text: it is not a model's configuration, or {AGAIN}")
    if model_type not in CONFIG_MAPPING:
        raise ConfigError(
            f"{file}: model_type {model_type!r} is unknown to transformers {transformers.__version__}: put it right (Gemma 3's are gemma3 "
            "and gemma3_text), or install a transformers that knows it"
        )
    _check_types(file, stated)
    try:
        with quiet():
            found = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # each class of configuration has checks of its own, which may raise anything
        raise ConfigError(f"{file}: not the configuration of a {model_type} model ({reason(error)}): {AGAIN}") from error
    _check_window(file, found.get_text_config())
    return found


def read_config(folder: Path) -> dict[str, Any]:
    """The configuration in a checkpoint folder, as JSON. Raises `ConfigError` as `load_config` does."""
    found: dict[str, Any] = load_config(folder).to_dict()
    return found


def context_length(folder: Path, otherwise: int) -> int:
    """Tokens that the model can read, or `otherwise` where neither config.json nor transformers say."""
    found = getattr(load_config(folder).get_text_config(), "max_position_embeddings", None)
    if found is None:
        return otherwise
    if not isinstance(found, int) or found < 1:
        raise ConfigError(f"{folder / 'config.json'}: max_position_embeddings is {found!r}, and must be a number of tokens: {AGAIN}")
    return found


def check_generation_config(folder: Path) -> None:
    """Raise `ConfigError` for a generation_config.json that names no token ids where it says which ones end a text."""
    file = folder / "generation_config.json"
    if not file.is_file():
        return
    ends = read_object(file).get("eos_token_id")
    if not all(type(end) is int and end >= 0 for end in (ends if isinstance(ends, list) else [] if ends is None else [ends])):
        raise ConfigError(f"{file}: eos_token_id is {ends!r}, and must be a token id or a list of them: {AGAIN}")


def _check_window(file: Path, text: Any) -> None:
    """transformers notices a missing window only when a prompt is computed."""
    window = getattr(text, "sliding_window", None)
    if "sliding_attention" in (getattr(text, "layer_types", None) or ()) and not (isinstance(window, int) and window > 0):
        raise ConfigError(f"{file}: sliding_window is {window!r}, and must be a number of tokens, since some layers have one: {AGAIN}")


def _check_types(file: Path, stated: dict[str, Any]) -> None:
    for name in ("text_config", "vision_config", "quantization_config"):
        if not isinstance(found := stated.get(name, {}), dict | None):
            raise ConfigError(f"{file}: {name} is {found!r}, and must be a JSON object: {AGAIN}")
