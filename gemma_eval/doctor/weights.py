"""Are the weights of a checkpoint finite? Looked at only once the answers show that something is wrong."""

from __future__ import annotations

from pathlib import Path


def why_not_finite(folder: Path) -> str | None:
    """Which weight is NaN or infinite, and how to mend it, in words; None if all that is stored as safetensors is finite."""
    from safetensors import safe_open  # here, since only a run that is refused needs it

    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118
                weights = tensors.get_tensor(name)
                wide = weights if weights.itemsize > 1 else weights.float()  # eight bits do not tell
                if weights.is_floating_point() and (odd := weights.numel() - int(wide.isfinite().sum())):
                    count = f"{odd:,} of {weights.numel():,} values"
                    return f"{count} of {name} in {file.name} are NaN or infinite: fetch or make the checkpoint anew"
    return None
