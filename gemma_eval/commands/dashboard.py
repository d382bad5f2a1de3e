"""`gemma-eval dashboard`: a local page over a folder of runs."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("results", metavar="FOLDER", nargs="?", default="results", help="folder of run directories; default: results")
    parser.add_argument("--host", default="127.0.0.1", help="address to serve on; any but a loopback one needs --auth")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--auth", metavar="USER:PASSWORD", help="let only who knows these in (behind TLS: they are sent as they are)")


def main(arguments: argparse.Namespace) -> int:
    from gemma_eval.dashboard import serve

    serve(Path(arguments.results), host=arguments.host, port=arguments.port, auth=arguments.auth)
    return 0
