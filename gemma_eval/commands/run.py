"""`gemma-eval run`: score a model, or finish an earlier run of the same settings."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, report_missing
from gemma_eval.commands.hydra_settings import add_settings, with_settings
from gemma_eval.commands.kept_answers import naming_kept_answers
from gemma_eval.runtime.processes import this

if TYPE_CHECKING:
    from gemma_eval.settings import RunConfig

NAME = "run"
HELP = "score a model, or finish a run: run model=4b suite=card_pt"

DESCRIPTION = """\
Score a Gemma 3 model on the benchmarks of its card, or finish an earlier run of the same settings.
`gemma-eval plan` takes the same settings, says what the run would cost, and runs nothing.

  gemma-eval run model=4b variant=pt suite=card_pt
  gemma-eval run model=270m weights=gguf_q4_k_m data=samples     (no network, a minute)
  gemma-eval run model=1b suite=hellaswag,piqa                   (two tasks in one run)
  gemma-eval run -m model=1b,4b suite=hellaswag,piqa             (a sweep: four runs)

exit code: 0 done; 1 refused; 3 done, but some tasks or samples could not be had; 130 or 143 stopped by Ctrl-C or SIGTERM"""


def add_arguments(parser: CommandParser) -> None:
    """Take settings."""
    parser.description = DESCRIPTION
    add_settings(parser)


def main(arguments: argparse.Namespace) -> int:
    """Run the settings, once or in a sweep."""
    return with_settings(arguments.settings, run_once)


def run_once(config: RunConfig) -> int:
    """Run the settings, then print and write the card."""
    from gemma_eval.card.rebuilt import card
    from gemma_eval.report.console import default_console, print_card
    from gemma_eval.report.markdown import to_markdown
    from gemma_eval.run.pipeline import run

    with naming_kept_answers(config):
        outcome = run(config)
    if not this().main:
        return DONE  # the main process says what there is to say
    shown = card([outcome.run.scores])
    outcome.run.write_text("report.md", to_markdown(shown))
    print_card(shown.touched(), default_console())
    print(f"run directory: {outcome.run.path}")
    return report_missing(outcome.missing)
