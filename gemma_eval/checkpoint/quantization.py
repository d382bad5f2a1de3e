"""What `weights=` promises of the weights that are scored: which backend can keep the promise, and the check that it did.

A promise is about the linear layers of the language model, nearly all of its weights. It is refused where the checkpoint's config.json or
the settings contradict it, and where the layers that the engine loaded are stored in another way. Nothing is scored under a wrong label.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from gemma_eval.checkpoint.files import reason
from gemma_eval.checkpoint.quiet import quiet
from gemma_eval.errors import ConfigError, GemmaEvalError
from gemma_eval.settings import Quantization, RunConfig, ServerConfig, VllmConfig

ANY = ("cpu", "cuda")
GPU = ("cuda",)
PUBLISHED = "bf16"  # `weights=` when it is left out: Google's checkpoint as published
UNQUANTIZED = "not quantized"


@dataclass(frozen=True)
class Loader:
    """How one backend loads a quantization.

    `devices`: the types of device on which it can. `names`: what the engine calls the quantization, the newest version's name first. That
    name is what the engine is told, where it must be told, and what its quantized layers are reported as. `package`: the Python package
    that computes with such weights, if the engine does not itself.
    """

    devices: tuple[str, ...]
    names: tuple[str, ...]
    package: str | None = None


LOADERS: dict[Quantization, dict[str, Loader]] = {
    Quantization.fp8: {"vllm": Loader(GPU, ("fp8_per_tensor", "fp8"))},
    Quantization.bnb_int8: {"transformers": Loader(ANY, ("bitsandbytes int8",), "bitsandbytes")},
    Quantization.bnb_nf4: {
        "transformers": Loader(ANY, ("bitsandbytes nf4",), "bitsandbytes"),
        "vllm": Loader(GPU, ("bitsandbytes",), "bitsandbytes"),  # of unquantized weights, it makes NF4 and nothing else
    },
    Quantization.torchao_int8: {"transformers": Loader(ANY, ("torchao int8",), "torchao")},
    Quantization.torchao_int8_dynamic: {"transformers": Loader(ANY, ("torchao int8, activations too",), "torchao")},
    Quantization.torchao_int4: {"transformers": Loader(GPU, ("torchao int4",), "torchao")},
    Quantization.w4a16: {
        "transformers": Loader(ANY, ("compressed-tensors w4a16",), "compressed_tensors"),
        "vllm": Loader(ANY, ("compressed-tensors",)),
    },
    Quantization.w8a8: {
        "transformers": Loader(ANY, ("compressed-tensors w8a8",), "compressed_tensors"),
        "vllm": Loader(ANY, ("compressed-tensors",)),
    },
}

STORED = {chosen: LOADERS[chosen]["transformers"].names[0] for chosen in (Quantization.w4a16, Quantization.w8a8)}
"""The quantizations that a checkpoint brings, with the names that `stored_quantization` gives them. The others are made while loading."""


# -- before anything is loaded ----------------------------------------------------------------------------------


def check(config: RunConfig) -> None:
    """Refuse weights that the backend cannot load and backend settings that contradict `weights=`, before anything is downloaded.

    A server has loaded its weights already and does not say how. So `weights=` only states what it serves, and request keys say
    "stated, not seen". Raises `ConfigError`, which names the key and the choices.
    """
    if isinstance(config.backend, ServerConfig):
        return
    if config.weights.quantization is not Quantization.none:
        _check_loader(config)
    if isinstance(config.backend, VllmConfig):
        _check_arguments(config, config.backend)


def _check_loader(config: RunConfig) -> None:
    chosen, backend = config.weights.quantization, config.backend.name
    loaders, setting = LOADERS[chosen], f"weights={config.weights.name}"
    if backend not in loaders:
        raise ConfigError(
            f"{setting}: backend={backend} cannot load it; {', '.join(f'backend={name}' for name in loaders)} can. "
            f"backend={backend} loads unquantized checkpoints, {', '.join(_loadable(backend))}"
        )
    loader, device = loaders[backend], _device(config)
    if device not in loader.devices:
        raise ConfigError(
            f"{setting}: needs a GPU ({', '.join(loader.devices)}), not {device}. "
            f"backend={backend} loads there: {', '.join(_loadable(backend, device))}"
        )
    if loader.package and find_spec(loader.package) is None:
        raise ConfigError(f"{setting}: the package {loader.package} is not installed: pip install 'gemma-eval[quantization]'")


def _loadable(backend: str, device: str | None = None) -> list[str]:
    """The quantizations that a backend can load, on any device or on this one."""
    loaders = {chosen.value: by[backend] for chosen, by in LOADERS.items() if backend in by}
    return sorted(name for name, loader in loaders.items() if device is None or device in loader.devices)


def _device(config: RunConfig) -> str:
    chosen = str(getattr(config.backend, "device", "auto"))
    if chosen != "auto":
        return chosen.partition(":")[0]
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _check_arguments(config: RunConfig, backend: VllmConfig) -> None:
    """Refuse arguments by which a user tells vLLM another quantization than `weights=` promises."""
    if not makes_promise(config):
        return
    chosen = config.weights.quantization
    names = LOADERS[chosen]["vllm"].names if chosen in LOADERS else ()
    if backend.quantization is not None and backend.quantization not in names:
        promised = " or ".join(names) if names else "weights that are not quantized"
        raise ConfigError(
            f"backend.quantization={backend.quantization}: contradicts weights={config.weights.name}, which promises {promised}. "
            "Leave it out and choose weights="
        )
    overrides = backend.engine_args.get("hf_overrides")
    for key, given in (("", backend.engine_args), (".hf_overrides", overrides if isinstance(overrides, Mapping) else {})):
        if "quantization_config" in given:
            raise ConfigError(
                f"backend.engine_args{key}.quantization_config: weights={config.weights.name} says how weights are quantized. Leave it "
                "out, or give the checkpoint as model.path=DIR and leave weights= out"
            )


def engine_name(chosen: Quantization, backend: str, known: Collection[str], engine: str) -> str:
    """The name by which `engine`, which knows the methods `known`, is told a quantization. Raises `ConfigError` if it knows none."""
    names = LOADERS[chosen][backend].names
    if found := next((name for name in names if name in known), None):
        return found
    raise ConfigError(
        f"weights={chosen.value}: {engine} does not offer the quantization {' or '.join(names)}. It offers {', '.join(sorted(known))}"
    )


def library(chosen: Quantization, backend: str) -> str | None:
    """Name and version of the package that computes with the quantized weights: part of every request key."""
    package = LOADERS[chosen][backend].package if chosen in LOADERS and backend in LOADERS[chosen] else None
    return f"{package} {version(package.replace('_', '-'))}" if package else None


# -- what a checkpoint says of itself ---------------------------------------------------------------------------


def stored_quantization(config: Mapping[str, Any]) -> str | None:
    """How a checkpoint's config.json says that its weights are stored: "compressed-tensors w8a8", "gptq"; None: not quantized."""
    found = _quantization_config(config)
    if not found:
        return None
    method = str(found.get("quant_method", "unknown")).replace("_", "-")
    if method != "compressed-tensors":
        return method
    schemes = {scheme_name(group) if "weights" in group else name.lower() for name, group in found.get("config_groups", {}).items()}
    return " ".join([method, *sorted(schemes)])


def _quantization_config(config: Mapping[str, Any]) -> dict[str, Any]:
    return config.get("quantization_config") or config.get("text_config", {}).get("quantization_config") or {}


def check_quantizer(name: str, config: Mapping[str, Any]) -> None:
    """Raise `ConfigError` if transformers cannot load weights that are stored as config.json says. `name`: that of the checkpoint.

    It would take weights for unquantized that are stored in a way it does not know.
    """
    import transformers
    from transformers.quantizers.auto import AutoHfQuantizer

    found = _quantization_config(config)
    method = found.get("quant_method")
    try:
        with quiet():
            known = AutoHfQuantizer.supports_quant_method(found)
        if not known:
            raise ConfigError(
                f"{name}: config.json names the quantization {method!r}, which transformers {transformers.__version__} does not know: "
                "put it right, or install a transformers that knows it"
            )
        with quiet():
            AutoHfQuantizer.from_config(found, pre_quantized=True).validate_environment(device_map=None, weights_only=True)
    except GemmaEvalError:
        raise
    except ImportError as error:
        raise ConfigError(
            f"{name}: its weights are quantized ({method}), and the package that reads them is missing ({reason(error)}): "
            "pip install 'gemma-eval[quantization]', or what the message says"
        ) from error
    except Exception as error:  # each quantizer has checks of its own, which may raise anything
        raise ConfigError(f"{name}: its weights are quantized ({method}), and cannot be loaded here ({reason(error)})") from error


def scheme_name(scheme: Mapping[str, Any]) -> str:
    """Short name of a quantization scheme of compressed-tensors: "w8a8" has weights and activations of 8 bits."""
    weights, activations = scheme.get("weights") or {}, scheme.get("input_activations") or {}
    name = f"w{weights.get('num_bits', 16)}a{activations.get('num_bits', 16)}"
    return f"{name} float" if str(getattr(weights.get("type"), "value", weights.get("type"))) == "float" else name


# -- the promise ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Promise:
    """What the setting `weights=` says of a checkpoint's weights. The engine that loads them has to keep it."""

    weights: str
    quantization: Quantization

    def check_layers(self, backend: str, layers: Mapping[str, int]) -> None:
        """Raise `ConfigError` if a backend has stored the weights in another way than promised.

        `layers`: how many linear layers of the language model are stored in which way, by the names of `LOADERS`, as the engine shows them.
        A checkpoint that is stored quantized may leave some layers as they are. Otherwise every layer counts.
        """
        names = set(LOADERS[self.quantization][backend].names) if self.quantization in LOADERS else {UNQUANTIZED}
        others = layers.keys() - names - ({UNQUANTIZED} if self.quantization in STORED else set())
        if names & layers.keys() and not others:
            return
        found = ", ".join(f"{count} {name}" for name, count in sorted(layers.items())) or "none"
        raise ConfigError(
            f"weights={self.weights}: promises linear layers that are {' or '.join(sorted(names))}, but backend={backend} has loaded "
            f"{found}. Nothing is scored under a wrong label: choose other weights or another version of the engine"
        )


def check_stored(stored: str, name: str, layers: Mapping[str, int]) -> None:
    """Raise `ConfigError` if no layer is quantized of a checkpoint whose config.json says that they are stored as `stored`."""
    if set(layers) == {UNQUANTIZED}:
        raise ConfigError(
            f"{name}: config.json says that its weights are quantized ({stored}), but they were loaded as plain numbers: take out "
            "quantization_config if that is what they are, or install what reads them"
        )


def makes_promise(config: RunConfig) -> bool:
    """Whether `weights=` says anything of the checkpoint. By itself, model.path=DIR says nothing: reports call such weights "local"."""
    return config.model.path is None or config.weights.name != PUBLISHED or config.weights.quantization is not Quantization.none


def promised(config: RunConfig, checkpoint: Mapping[str, Any]) -> Promise | None:
    """What `weights=` promises of the checkpoint with this config.json; None if it says nothing.

    Raises `ConfigError` where config.json contradicts the promise.
    """
    if not makes_promise(config):
        return None
    weights = config.weights
    expected, found = STORED.get(weights.quantization), stored_quantization(checkpoint)
    if found != expected:
        needed = f"stored as {expected}" if expected else "stored without quantization"
        raise ConfigError(
            f"weights={weights.name}: needs a checkpoint that is {needed}, but this one's config.json says "
            f"{f'quantization_config: {found}' if found else 'nothing of a quantization_config'}. Choose another weights=, "
            "or give the checkpoint as model.path=DIR and leave weights= out"
        )
    return Promise(weights.name, weights.quantization)
