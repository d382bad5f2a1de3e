"""The files of a checkpoint folder, looked at before anything is loaded: what is missing, torn, ambiguous or a stand-in is refused by name.

Reading the headers of weight files takes milliseconds. Whether the tensors are those of the model, `loading.rehearse` asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from gemma_eval.errors import ConfigError, one_line
from gemma_eval.runtime.files import is_lfs_pointer

WHOLE, INDEX = "model.safetensors", "model.safetensors.index.json"  # the index says which files hold the weights, where several do
PICKLED, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"  # as in older checkpoints
ELSEWHERE = ("consolidated",)  # the same weights in the layout of another library, which no engine reads
INTEGERS = ("I", "U")  # types of safetensors: I8, U8, I32, ...
SETTINGS = (
    "generation_config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "preprocessor_config.json",
    "processor_config.json",
)  # fmt: skip
AGAIN = "download or copy it again"


def checkpoint_folder(path: Path) -> Path:
    """`path`, if it is a folder with a config.json. Raises `ConfigError`, which says what is there instead."""
    wanted = "it must be a checkpoint folder as `save_pretrained` writes it, or a .gguf file"
    try:
        if (path / "config.json").is_file():
            return path
        if path.is_file():
            raise ConfigError(f"model.path={path}: a file; {wanted}: give the folder that it is in")
        if not path.is_dir():
            raise ConfigError(f"model.path={path}: {_gone(path) or 'no such folder'}; {wanted}")
        if (path / "config.json").is_symlink():
            raise ConfigError(f"{path / 'config.json'}: {_gone(path / 'config.json')}: {AGAIN}")
        names = sorted(child.name for child in path.iterdir())
    except OSError as error:
        raise ConfigError(f"model.path={path}: cannot be read ({error.strerror}); {wanted}") from error
    if "adapter_config.json" in names:
        raise ConfigError(f"{path}: {_an_adapter('adapter_config.json')}")
    if ggufs := [name for name in names if name.lower().endswith(".gguf")]:
        raise ConfigError(f"model.path={path}: no config.json there; give the GGUF file itself: model.path={path / ggufs[0]}")
    found = f"it holds {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}" if names else "it is empty"
    raise ConfigError(f"model.path={path}: no config.json there ({found}); {wanted}")


def read_object(file: Path) -> dict[str, Any]:
    """A JSON file that holds an object. Raises `ConfigError` for any other content."""
    refuse_pointer(file)
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise unreadable(file, error) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: not JSON ({error}): {AGAIN}") from error
    if not isinstance(found, dict):
        raise ConfigError(f"{file}: holds {type(found).__name__} where a JSON object is expected: {AGAIN}")
    return found


def refuse_pointer(file: Path) -> None:
    """Raise `ConfigError` for the few lines that Git LFS leaves in place of a file that it has not fetched."""
    try:
        pointer = is_lfs_pointer(file)
    except OSError as error:
        raise unreadable(file, error) from error
    if pointer:
        raise ConfigError(f"{file}: a Git LFS pointer in place of the file: run `git lfs pull` in {file.parent}")


def unreadable(file: Path, error: OSError) -> ConfigError:
    """The error to raise for a file that cannot be read."""
    return ConfigError(f"{file}: {_gone(file) or f'cannot be read ({error.strerror})'}: {AGAIN}")


def check_settings(folder: Path) -> None:
    """Raise `ConfigError` for a file of settings that cannot be read. transformers would ignore some of them."""
    for name in SETTINGS:
        if _is_there(folder / name):
            read_object(folder / name)


def check_weights(folder: Path, *, quantized: bool) -> None:
    """Raise `ConfigError` unless the folder holds one set of whole weight files. `quantized`: config.json says that they are."""
    for file in sorted([*folder.glob("adapter_config.json"), *folder.glob("adapter_model.*")]):
        raise ConfigError(f"{folder}: {_an_adapter(file.name)}")
    if _is_there(folder / WHOLE) or _is_there(folder / INDEX):
        files = _weight_files(folder, WHOLE, INDEX)
        _refuse_strays(folder, files)
        _check_tensors(folder, files, quantized)
    elif _is_there(folder / PICKLED) or _is_there(folder / PICKLED_INDEX):
        for file in _weight_files(folder, PICKLED, PICKLED_INDEX):
            refuse_pointer(file)
            if not is_zipfile(file):
                raise ConfigError(f"{file}: not a whole file as `torch.save` writes it: {AGAIN}, or convert it to safetensors")
    else:
        shards = sorted(folder.glob("*.safetensors"))
        why = f"{INDEX} is missing, which says what {shards[0].name} and the others hold" if shards else f"no weights ({WHOLE}) there"
        raise ConfigError(f"{folder}: {why}: download or copy the whole checkpoint again")


def _weight_files(folder: Path, whole: str, index: str) -> list[Path]:
    """The files that hold the weights: one, or those that an index names.

    Raises `ConfigError` if one is missing, or if two sets of them lie side by side.
    """
    if not _is_there(folder / index):
        return [folder / whole]
    names = sorted({*_weight_map(folder / index).values()})
    if _is_there(folder / whole) and whole not in names:
        raise ConfigError(f"{folder}: holds both {whole} and {index}, which names other files: delete what is not of this checkpoint")
    if absent := [name for name in names if not _is_there(folder / name)]:
        raise ConfigError(f"{folder}: lacks {len(absent)} of the {len(names)} files that {index} names ({first(absent)}): copy them there")
    return [folder / name for name in names]


def _check_tensors(folder: Path, files: list[Path], quantized: bool) -> None:
    """Refuse a tensor that two files hold, or none, and one that is quantized where config.json says that none is."""
    holder: dict[str, Path] = {}
    for file in files:
        for tensor, stored in _header(file).items():
            if tensor in holder:
                raise ConfigError(
                    f"{folder}: {holder[tensor].name} and {file.name} both hold {tensor}: delete the file that is not of this checkpoint"
                )
            holder[tensor] = file
            if not quantized and stored.startswith(INTEGERS) and tensor.endswith(".weight"):
                raise ConfigError(
                    f"{file}: {tensor} is stored as {stored}, which is quantized, but config.json says nothing of a quantization_config: "
                    "take config.json from where the weights come from"
                )
    named = _weight_map(folder / INDEX) if _is_there(folder / INDEX) else {}
    if lost := sorted(named.keys() - holder.keys()):
        raise ConfigError(f"{folder / INDEX}: no file holds {len(lost)} of the tensors that it names ({first(lost)}): {AGAIN}")


def _weight_map(index: Path) -> dict[str, str]:
    """By tensor, the file that holds it. Raises `ConfigError` for an index that does not say so."""
    found = read_object(index).get("weight_map")
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise ConfigError(f"{index}: its weight_map names no files: {AGAIN}")
    return found


def _refuse_strays(folder: Path, files: list[Path]) -> None:
    """Refuse further weight files: some engines would read them, and others not."""
    strays = [file for file in sorted(folder.glob("*.safetensors")) if file not in files and not file.name.startswith(ELSEWHERE)]
    if strays:
        by = INDEX if (folder / INDEX).is_file() else WHOLE
        raise ConfigError(f"{strays[0]}: lies beside the weights and is not part of them ({by}): move it to another folder")


def _header(file: Path) -> dict[str, str]:
    """The tensors of a safetensors file, with the type that each is stored as. Raises `ConfigError` if the file is not whole."""
    from safetensors import SafetensorError, safe_open

    refuse_pointer(file)
    try:
        with safe_open(file, framework="np") as opened:
            return {name: opened.get_slice(name).get_dtype() for name in opened.keys()}  # noqa: SIM118  not a mapping
    except (SafetensorError, OSError) as error:
        size = file.stat().st_size
        raise ConfigError(f"{file}: not a whole safetensors file of {size:,} bytes ({error}): {AGAIN}") from error


def _an_adapter(name: str) -> str:
    return (
        f"holds an adapter ({name}), which is not part of the weights that are scored: merge it into its base model "
        "(peft's merge_and_unload, then save_pretrained) and give that folder, or move the adapter elsewhere"
    )


def _is_there(file: Path) -> bool:
    """Whether the folder has such a file; a link to a file that is gone counts, so that it is noticed."""
    return file.is_file() or file.is_symlink()


def _gone(file: Path) -> str:
    """What is wrong with a link to a file that is gone."""
    return f"a link to {file.readlink()}, which is not there" if file.is_symlink() and not file.exists() else ""


def first(names: Sequence[str]) -> str:
    """The first few of many names, in words."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def reason(error: Exception) -> str:
    """The type of an error and its message, in one line of at most 200 characters."""
    message = one_line(error)
    return f"{type(error).__name__}{': ' if message else ''}{message}"
