"""How transformers is asked for a model: what its loader reports as missing, unexpected or of another shape is refused.

transformers itself goes on with random weights in their place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gemma_eval.checkpoint.files import first, reason
from gemma_eval.checkpoint.quiet import quiet
from gemma_eval.errors import ConfigError


def load_model(folder: Path, name: str, *, reads_images: bool = False, **arguments: Any) -> Any:
    """The model in a checkpoint folder, with all its weights. `name`: what people call it. `arguments`: those of `from_pretrained`.

    Raises `ConfigError` if it cannot be loaded, or if its weights are not those that config.json describes.
    """
    import transformers

    auto = transformers.AutoModelForImageTextToText if reads_images else transformers.AutoModelForCausalLM
    try:
        with quiet():
            model, report = auto.from_pretrained(folder, output_loading_info=True, ignore_mismatched_sizes=True, **arguments)
    except ImportError as error:
        raise ConfigError(f"{name}: the model cannot be loaded without a package that is missing here: {reason(error)}") from error
    except Exception as error:  # loaders, quantizers and devices may raise anything
        raise ConfigError(f"{name}: the model cannot be loaded ({reason(error)})") from error
    if why := wrong_weights(report):
        raise ConfigError(f"{name}: {why}")
    return model


def rehearse(folder: Path, name: str, *, reads_images: bool) -> None:
    """Load the model on a device that holds no numbers, which takes tenths of a second. Raises `ConfigError` as `load_model` does."""
    model = load_model(folder, name, reads_images=reads_images, device_map={"": "meta"})
    for tied, source in getattr(model, "all_tied_weights_keys", {}).items():
        if model.get_parameter(tied) is not model.get_parameter(source) and _differ(folder, tied, source):
            raise ConfigError(
                f"{name}: config.json says that {tied} is {source} (tie_word_embeddings), but the weights have both, and they differ: "
                "set tie_word_embeddings to false in config.json, or leave the first out of the weights"
            )


def wrong_weights(report: Mapping[str, Any]) -> str:
    """What is wrong with weights, by the report of transformers' loader, and how to mend it; empty if nothing is.

    Tied weights and those that a class of model knows to be absent are not in the report.
    """
    missing, unexpected = sorted(report["missing_keys"]), sorted(report["unexpected_keys"])
    reshaped = sorted(f"{name} is {_shape(found)} and must be {_shape(wanted)}" for name, found, wanted in report["mismatched_keys"])
    parts = [
        f"its weights lack {len(missing)} of the model's tensors ({first(missing)})" if missing else "",
        f"its weights bring {len(unexpected)} that the model does not have ({first(unexpected)})" if unexpected else "",
        f"its weights have {len(reshaped)} in another shape ({first(reshaped)})" if reshaped else "",
        *map(str, report.get("error_msgs") or ()),
    ]
    found = "; ".join(part for part in parts if part)
    return f"{found}: {_mend(missing, unexpected)}" if found else ""


def _mend(missing: Collection[str], unexpected: Collection[str]) -> str:
    if prefix := _prefix(missing, unexpected):
        return f"the names of the weights begin with {prefix!r}: rename them, or take the config.json that belongs to them"
    if any("lora_" in name for name in unexpected):
        return "they hold an adapter: merge it into its base model (peft's merge_and_unload, then save_pretrained)"
    if missing and not unexpected:
        return "download or copy the whole checkpoint again, or take the config.json that belongs to these weights"
    return "config.json and the weights are not of one model: take both from the same checkpoint"


def _prefix(missing: Collection[str], unexpected: Collection[str]) -> str:
    """What stands before the names of all missing tensors among the unexpected ones; empty if nothing does. A tied head may lack."""
    for name in unexpected:
        for wanted in missing:
            if name.endswith(f".{wanted}"):
                prefix = name.removesuffix(wanted)
                return prefix if all(prefix + one in unexpected or "lm_head" in one for one in missing) else ""
    return ""


def _differ(folder: Path, tied: str, source: str) -> bool:
    """Whether two tensors in the weight files differ. They are matched by the ends of their names, since files prefix names differently."""
    import torch
    from safetensors import safe_open

    found: dict[str, Any] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for tensor in opened.keys():  # noqa: SIM118  not a mapping
                found |= {end: opened.get_tensor(tensor) for end in (tied, source) if _end(tensor) == _end(end)}
    return len(found) == 2 and not torch.equal(*found.values())


def _end(name: str) -> list[str]:
    return name.split(".")[-2:]


def _shape(size: Collection[int]) -> str:
    return " x ".join(map(str, size)) or "a single number"
