"""Which engine can load which quantization, on which device and with which package; refused pairs name those that can."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec

from gemma_eval.errors import ConfigError
from gemma_eval.settings import Quantization, RunConfig

ANY = ("cpu", "cuda")
GPU = ("cuda",)


@dataclass(frozen=True)
class Loader:
    """How one backend loads a quantization. `engine_name`: what the engine calls it, where it must be told."""

    devices: tuple[str, ...]
    package: str | None = None
    engine_name: str | None = None


LOADERS: dict[Quantization, dict[str, Loader]] = {
    Quantization.fp8: {"vllm": Loader(GPU, engine_name="fp8")},
    Quantization.bnb_int8: {"transformers": Loader(ANY, "bitsandbytes")},
    Quantization.bnb_nf4: {"transformers": Loader(ANY, "bitsandbytes"), "vllm": Loader(GPU, "bitsandbytes", "bitsandbytes")},
    Quantization.torchao_int8: {"transformers": Loader(ANY, "torchao")},
    Quantization.torchao_int8_dynamic: {"transformers": Loader(ANY, "torchao")},
    Quantization.torchao_int4: {"transformers": Loader(GPU, "torchao")},
    Quantization.compressed_tensors: {"transformers": Loader(ANY, "compressed_tensors"), "vllm": Loader(ANY)},
}


def check(config: RunConfig) -> None:
    """Refuse what the backend cannot load, before anything is downloaded."""
    chosen, backend = config.weights.quantization, config.backend.name
    if chosen is Quantization.none:
        return
    loaders, asked = LOADERS[chosen], f"weights={config.weights.name}"
    if backend not in loaders:
        others = sorted(loading.value for loading, by in LOADERS.items() if backend in by)
        raise ConfigError(
            f"{asked}: backend={backend} cannot load it; {', '.join(f'backend={name}' for name in loaders)} can. "
            f"What {backend} loads: unquantized checkpoints, {', '.join(others)}"
        )
    loader, device = loaders[backend], _device(config)
    if device not in loader.devices:
        here = sorted(loading.value for loading, by in LOADERS.items() if backend in by and device in by[backend].devices)
        raise ConfigError(
            f"{asked}: needs a GPU ({', '.join(loader.devices)}), not {device}. What {backend} loads there: {', '.join(here)}"
        )
    if loader.package and find_spec(loader.package) is None:
        raise ConfigError(f"{asked}: the package {loader.package} is not installed: pip install 'gemma-eval[quantization]'")


def _device(config: RunConfig) -> str:
    chosen = str(getattr(config.backend, "device", "auto"))
    if chosen != "auto":
        return chosen.partition(":")[0]
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def library(chosen: Quantization, backend: str) -> str | None:
    """Package and version that do the arithmetic: part of every request key."""
    package = LOADERS[chosen][backend].package if chosen in LOADERS else None
    return f"{package} {version(package.replace('_', '-'))}" if package else None
