"""Imports task pages: those in the folder `tasks/`, and files that users name. Importing a page registers its tasks."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

from gemma_eval.errors import PluginError
from gemma_eval.runtime import paths

PAGES = "gemma_eval.tasks"


def import_pages() -> None:
    """Import every page of `tasks/`, as modules of the package `PAGES`.

    The package has no file, only a folder: that is `tasks/`, beside `gemma_eval` in a checkout and inside it in a wheel.
    """
    _add_package(PAGES, paths.TASKS)
    for page in sorted(paths.TASKS.glob("*/*.py")):
        folder = f"{PAGES}.{page.parent.name}"
        if folder not in sys.modules:
            _add_package(folder, page.parent)
        importlib.import_module(f"{folder}.{page.stem}")


def _add_package(name: str, folder: Path) -> None:
    """Add a namespace package whose modules are the files in `folder`."""
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = [str(folder)]
    sys.modules[name] = importlib.util.module_from_spec(spec)


def import_file(file: Path) -> None:
    """Import one file. Raises `PluginError` if it does not exist, and whatever the file itself raises."""
    if not file.is_file():
        raise PluginError(f"plugins: no such file: {file}")
    spec = importlib.util.spec_from_file_location(f"gemma_eval_plugin_{file.stem}", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
