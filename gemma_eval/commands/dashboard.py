"""`gemma-eval dashboard`: a local page over a folder of runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from gemma_eval.commands.command import CommandParser
from gemma_eval.commands.exit_codes import DONE

NAME = "dashboard"
HELP = "a local page over a folder of runs (extra ui)"


def add_arguments(parser: CommandParser) -> None:
    """Take a folder of runs, and where to serve."""
    parser.description = "Serve a local page over a folder of runs, with live progress and a playground. Needs the extra ui."
    parser.add_argument("results", metavar="FOLDER", nargs="?", default="results", help="folder of run directories; default: results")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on; any but a loopback address needs --auth")
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="ask for this name and password; serve behind TLS, which hides them")


def main(arguments: argparse.Namespace) -> int:
    """Serve until interrupted."""
    from gemma_eval.dashboard import serve

    serve(Path(arguments.results), host=arguments.host, port=arguments.port, auth=arguments.auth)
    return DONE
