"""The device that the settings name: does it exist, and does it compute?"""

from __future__ import annotations

from importlib.util import find_spec

import torch

from gemma_eval.checkpoint.files import reason
from gemma_eval.errors import ConfigError
from gemma_eval.settings import TransformersConfig


def check_device(settings: TransformersConfig) -> None:
    """Raise `ConfigError` if the device of these settings cannot hold a number, or if a device map cannot be followed."""
    if settings.device != "auto":
        try:
            torch.ones(1, device=settings.device).item()
        except Exception as error:  # what a device raises that is not there depends on its type
            raise ConfigError(
                f"backend.device={settings.device}: torch {torch.__version__} cannot use it ({reason(error)}); it sees {_seen()}: "
                "choose one of these, or auto"
            ) from error
    if settings.device_map and find_spec("accelerate") is None:
        raise ConfigError(f"backend.device_map={settings.device_map}: the package accelerate is not installed: pip install accelerate")


def _seen() -> str:
    """The devices that there are, in words."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    gpus = [f"{found.type}:{index}" for index in range(torch.accelerator.device_count())] if found else []
    return ", ".join(["cpu", *gpus])
