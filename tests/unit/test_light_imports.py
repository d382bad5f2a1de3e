"""What must stay light: importing the package, help, listing tasks, and reports, which work without torch."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = "torch transformers datasets pandas matplotlib"


def loaded(statement: str) -> set[str]:
    program = f"import sys\n{statement}\nprint(*[m for m in '{HEAVY}'.split() if m in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import gemma_eval",
        "from gemma_eval.commands.main import main; main(['run', '--help'])",
        "from gemma_eval.commands.main import main; main(['tasks'])",
        "import gemma_eval.card.rebuilt, gemma_eval.report.console, gemma_eval.report.markdown, gemma_eval.store.run_dir",
        "import gemma_eval.report.items",
        "import gemma_eval.commands.report, gemma_eval.report.latex, gemma_eval.report.csv",
        "from gemma_eval.task.registry import registry; registry()",
        "import gemma_eval.compare, gemma_eval.gate, gemma_eval.commands.gate, gemma_eval.report.gate, gemma_eval.report.html",
        "import gemma_eval.export.frames, gemma_eval.export",
    ],
)
def test_nothing_heavy_is_imported(statement: str) -> None:
    assert loaded(statement) == set()


def test_no_task_page_was_refused() -> None:
    from gemma_eval.task.registry import check_settings, plugin_errors, registry

    assert len(registry()) >= 12
    assert plugin_errors() == []
    for cls in registry().values():
        check_settings(cls)
