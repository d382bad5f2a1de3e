"""What every subcommand's module offers, and the parser to which it describes its arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn, Protocol

from gemma_eval.commands.exit_codes import USAGE
from gemma_eval.errors import GemmaEvalError


class UsageError(GemmaEvalError):
    """Arguments that a subcommand does not know, and its exit code for them."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class CommandParser(argparse.ArgumentParser):
    """The parser of the program or of one subcommand. It raises `UsageError` where argparse would end the program."""

    takes_settings = False  # whether `arguments.settings` gets what the parser does not know, in its order
    usage_code = USAGE
    more_help: Callable[[], str] | None = None  # makes the text below the help, only when it is shown

    def format_help(self) -> str:
        """The help, and `more_help` below it."""
        shown = super().format_help()
        return f"{shown}\n{self.more_help()}\n" if self.more_help else shown

    def error(self, message: str) -> NoReturn:
        """Raise `UsageError` for arguments that cannot be understood."""
        raise UsageError(f"{self.prog}: {message}; see {self.prog} --help", self.usage_code)


class Command(Protocol):
    """A module of `gemma_eval.commands` that is a subcommand. Importing it must stay light: no torch, no transformers, no network."""

    NAME: str
    HELP: str  # one line, for `gemma-eval --help`

    def add_arguments(self, parser: CommandParser) -> None:
        """Describe the arguments."""

    def main(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit code. Raises `GemmaEvalError` for what the user can mend."""
