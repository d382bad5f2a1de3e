"""Gemma-eval baseline."""

from __future__ import annotations

import argparse
from dataclasses import replace

from gemma_eval.commands.exit_codes import DONE


def _baseline(arguments: argparse.Namespace) -> int:
    from pathlib import Path

    from gemma_eval.compare import compare, load, save_baseline
    from gemma_eval.gate import noise_floor

    results, file = load(arguments.run), Path(arguments.output)
    if arguments.repeat:
        results = replace(results, noise=noise_floor(compare(results, arguments.repeat)))
    save_baseline(results, file)
    print(f"{file}: {file.stat().st_size / 1e6:.2f} MB")
    return DONE
