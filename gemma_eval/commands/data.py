"""`gemma-eval data`: what runs read from the Hub, fetched ahead, checked, and carried to machines without network."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE, REFUSED, report_missing
from gemma_eval.commands.hydra_settings import add_settings, with_settings

if TYPE_CHECKING:
    from gemma_eval.hub.mirror import Mirrored
    from gemma_eval.report.table import TextTable
    from gemma_eval.run.supply import Supply
    from gemma_eval.settings import RunConfig

NAME = "data"
HELP = "list, fetch, check and carry what runs read from the Hub"

DESCRIPTION = """\
What a run reads from the Hub, data and weights. Takes the settings of `gemma-eval run`.

  gemma-eval data list suite=card_pt model=4b               repositories, commits, sizes, what is cached, gates
  gemma-eval data pull suite=card_pt model=4b limit=100     fetch all that the run will need
  gemma-eval data verify suite=card_pt model=4b             compare the cached files with the Hub's hashes
  gemma-eval data export DIR suite=card_pt model=4b         fetch it, and copy it into a folder
  gemma-eval data import DIR                                copy such a folder into this machine's cache

A run reads such a folder with data.root=DIR too. Weights lie in DIR/models: model.path=DIR/models/ORGANISATION/NAME.

exit code: 0 done; 1 refused, or a file is damaged; 3 done, but something could not be had"""

ACTIONS = ("list", "pull", "verify", "export", "import")


def add_arguments(parser: CommandParser) -> None:
    """Take an action, a folder for two of them, and settings."""
    parser.description = DESCRIPTION
    parser.add_argument("action", choices=ACTIONS, metavar="ACTION", help="list, pull, verify, export or import")
    parser.add_argument("folder", nargs="?", metavar="DIR", help="the mirror, for export and import")
    add_settings(parser, "%(prog)s ACTION [DIR] [key=value ...]")


def main(arguments: argparse.Namespace) -> int:
    """Do the action."""
    folder, settings = arguments.folder, list(arguments.settings)
    if folder and "=" in folder:  # the first setting, where no folder is meant
        folder, settings = None, [folder, *settings]
    if arguments.action in ("export", "import") and folder is None:
        arguments.parser.error(f"{arguments.action} needs a folder")
    if arguments.action not in ("export", "import") and folder is not None:
        arguments.parser.error(f"{arguments.action} takes settings alone, not {folder!r}")
    if arguments.action == "import":
        return _import(Path(folder))
    actions: dict[str, Callable[[RunConfig], int]] = {
        "list": _list,
        "pull": _pull,
        "verify": _verify,
        "export": partial(_export, folder=Path(folder or ".")),
    }
    return with_settings(settings, actions[arguments.action])


def _list(config: RunConfig) -> int:
    from gemma_eval.report.console import default_console, print_table
    from gemma_eval.run.supply import listed

    supplies = listed(config)
    print_table(supply_table(supplies), default_console())
    return report_missing({supply.repo: supply.refused for supply in supplies if supply.refused})


def supply_table(supplies: list[Supply]) -> TextTable:
    """A row for each repository."""
    from gemma_eval.report.table import Kind, TextColumn, TextTable

    columns = [
        TextColumn("Repository", Kind.name),
        TextColumn("For", Kind.words, rank=4),
        TextColumn("Commit", Kind.name, rank=2),
        TextColumn("Size"),
        TextColumn("Cached", Kind.words, rank=1),
        TextColumn("Gate", Kind.words, rank=3),
    ]
    return TextTable("", columns, [_row(supply) for supply in supplies])


def _row(supply: Supply) -> list[str]:
    from gemma_eval.hub.download import gigabytes

    readers = ", ".join(supply.tasks) or "model"
    if supply.wanted is None:
        gate = "not accepted" if "gated" in supply.refused else "cannot be had"
        return [supply.repo, readers, "", "", "no", gate]
    wanted = supply.wanted
    here = wanted.size - wanted.missing_size
    cached = "yes" if not wanted.missing else "no" if not here else f"{gigabytes(here)} of it"
    gate = ("not accepted" if supply.refused else "accepted") if wanted.snapshot.gated else "none"
    return [supply.repo, readers, wanted.snapshot.commit[:12], gigabytes(wanted.size), cached, gate]


def _pull(config: RunConfig) -> int:
    from gemma_eval.hub.download import gigabytes
    from gemma_eval.run.supply import pull

    pulled = pull(config)
    size = sum(one.size for one in pulled.needed.all) + sum(part.bytes_here for part in pulled.parts)
    count = len({one.snapshot.repo for one in pulled.needed.all} | {part.snapshot.repo for part in pulled.parts})
    print(f"in the cache: {gigabytes(size)} of {count} {'repository' if count == 1 else 'repositories'}")
    return report_missing(pulled.missing)


def _verify(config: RunConfig) -> int:
    from gemma_eval.run.supply import damaged

    found = list(damaged(config))
    for repo, why in found:
        print(f"{repo}: {why}")
    print(f"{len(found)} file{'s' if len(found) > 1 else ''} not as on the Hub" if found else "every file is as on the Hub")
    return REFUSED if found else DONE


def _export(config: RunConfig, folder: Path) -> int:
    from gemma_eval.run.supply import export

    written, missing = export(config, folder)
    _print_mirrored(written)
    return report_missing(missing)


def _import(folder: Path) -> int:
    from gemma_eval.hub.mirror import import_

    _print_mirrored(import_(folder))
    return DONE


def _print_mirrored(repositories: list[Mirrored] | Iterator[Mirrored]) -> None:
    for one in repositories:
        parts = f", {len(one.parts)} in part" if one.parts else ""
        print(f"{one.repo} at {one.commit[:12]}: {len(one.here)} files{parts}")
