from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gemma_eval.errors import PluginError
from gemma_eval.task.registry import register, registry


def load(*files: Path) -> str:
    """Load plugins in a process of their own; prints the names of added tasks, then the errors."""
    program = (
        "import sys; from gemma_eval.task.registry import registry, load_plugins, plugin_errors\n"
        "own = set(registry()); load_plugins(sys.argv[1:]); print(sorted(set(registry()) - own)); [print(e) for e in plugin_errors()]"
    )
    return subprocess.run([sys.executable, "-c", program, *map(str, files)], capture_output=True, text=True, check=True).stdout


def test_a_page_outside_the_project_is_a_task(plugin_page: Path) -> None:
    assert load(plugin_page) == "['capitals']\n"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "capitals"', 'name = "My Task"', "Capitals.name: 'My Task' must be lower-case snake case"),
        ('name = "capitals"', 'name = "piqa"', "Capitals.name: 'piqa' is taken by"),
        ("def query", "def quarry", "Capitals.query: not defined"),
        ("hint: bool = False", "hint: set = None", "a field's type cannot be a setting"),
        ("num_fewshot: int = 1", "num_fewshot: int = -1", "Capitals.num_fewshot=-1: must be at least 0"),
        ('DatasetRef("example/capitals", split="test", fewshot_split="train")', "DatasetRef()", "Capitals.dataset: needs a repository"),
        ("@dataclass\n", "", "put @dataclass between @register and the class"),
        ("from dataclasses", "from dataclass", "ModuleNotFoundError"),
    ],
)
def test_a_broken_page_is_refused_by_file_and_field(plugin_page: Path, tmp_path: Path, old: str, new: str, message: str) -> None:
    broken = tmp_path / "broken.py"
    assert old in plugin_page.read_text()
    broken.write_text(plugin_page.read_text().replace(old, new))
    good = tmp_path / "plugin" / "capitals.py"
    printed = load(broken, good).splitlines()
    assert printed[0] == "['capitals']"  # the other page goes on
    assert message in printed[1] and str(broken) in printed[1]


def test_registered_classes_need_a_docstring() -> None:
    cls = type("Nameless", (registry()["piqa"],), {"__doc__": ""})
    with pytest.raises(PluginError, match="@dataclass"):
        register(cls)


def test_every_page_states_its_card_row_and_what_is_open() -> None:
    for cls in registry().values():
        if cls.__module__.startswith("gemma_eval.tasks"):
            assert cls.card and cls.undisclosed and cls.samples_file().is_file(), cls.name
