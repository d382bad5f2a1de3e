"""Gemma-eval run."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gemma_eval.runtime.processes import this

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig
from gemma_eval.commands.exit_codes import DONE, MISSING

RUN_HELP = """\
usage: gemma-eval run [group=option ...] [key=value ...]

Score a Gemma 3 model on the benchmarks of its card, or finish an earlier run of the same settings.
`gemma-eval plan` takes the same settings, says what the run would cost, and runs nothing.

  gemma-eval run model=4b variant=pt suite=card_pt
  gemma-eval run model=270m weights=gguf_q4_k_m data=samples     (no network, a minute)
  gemma-eval run -m model=1b,4b suite=hellaswag,piqa             (a sweep)

groups (choose with group=option):
{groups}

Any setting can be overridden: limit=200  tasks.piqa.num_fewshot=5  backend.dtype=float32  data.root=FOLDER
--cfg job prints the composed settings, -m sweeps, `gemma-eval -sc install=bash` prints the shell completion to eval.

exit code: 0 done; 1 refused; 3 done, but some tasks or samples could not be had"""


def _run_help() -> int:
    from gemma_eval.runtime import paths
    from gemma_eval.task.registry import registry

    groups = {
        folder.name: paths.options(folder.name) for folder in sorted(paths.CONF.iterdir()) if folder.is_dir() and folder.name != "gate"
    }
    groups["suite"] += sorted(registry())
    print(RUN_HELP.format(groups="\n".join(f"  {name}: {', '.join(options)}" for name, options in groups.items() if options)))
    return DONE


def _run(config: RunConfig) -> int:
    from gemma_eval.card.rebuilt import card
    from gemma_eval.report.console import print_card
    from gemma_eval.report.markdown import to_markdown
    from gemma_eval.run.pipeline import run

    outcome = run(config)
    if not this().main:
        return DONE  # the main process says what there is to say
    shown = card([outcome.run.scores()])
    outcome.run.write_text("report.md", to_markdown(shown))
    print_card(shown.touched())
    print(f"run directory: {outcome.run.path}")
    for reason in outcome.missing.values():
        print(f"missing: {reason}", file=sys.stderr)
    return MISSING if outcome.missing else DONE
