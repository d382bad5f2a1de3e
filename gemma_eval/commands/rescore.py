"""Gemma-eval rescore."""

from __future__ import annotations

import argparse

from gemma_eval.commands.exit_codes import DONE


def _rescore(arguments: argparse.Namespace) -> int:
    from gemma_eval.scoring.rescore import rescore
    from gemma_eval.store.run_dir import RunDir

    for run in arguments.runs:
        print(f"{run}: {rescore(RunDir.open(run))} records changed")
    return DONE
