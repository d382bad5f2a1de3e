"""The `gemma-eval` command: what surrounds each subcommand, from the first signal that it heeds to its exit code.

It imports next to nothing until signals are heeded, so that Ctrl-C is answered in one line from the start.
"""

from __future__ import annotations

import sys

from gemma_eval.commands import stopping


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand. `argv`: the arguments without the program's name; the process's own by default. Returns the exit code."""
    code = 0
    try:
        with stopping.stoppable():
            from gemma_eval.commands.dispatch import dispatch

            _set_up_output()
            code = dispatch(sys.argv[1:] if argv is None else argv)
            sys.stdout.flush()
    except KeyboardInterrupt as stop:
        code = stopping.report(stop)
    except BrokenPipeError:  # whoever read the output has enough of it
        from gemma_eval.commands.ending import flush_or_give_up

        flush_or_give_up()
    except Exception as error:
        code = _refused(error)
    if argv is None:
        stopping.end_at_once()
    return code


def _refused(error: Exception) -> int:
    """The exit code of a command that ended with this error, which is printed. Raises the error if it is a bug."""
    from gemma_eval.commands.command import UsageError
    from gemma_eval.commands.ending import flush_or_give_up, mendable
    from gemma_eval.commands.exit_codes import refuse

    if stop := stopping.arrived():
        return stopping.report(stop)
    if not (told := mendable(error)):
        raise error
    flush_or_give_up()
    code = refuse(told)
    return error.code if isinstance(error, UsageError) else code


def _set_up_output() -> None:
    import logging
    from io import TextIOWrapper

    from gemma_eval.runtime.files import ESCAPED
    from gemma_eval.runtime.processes import this

    if isinstance(sys.stdout, TextIOWrapper):  # a terminal may lack a character, and data sets hold halves of surrogate pairs
        sys.stdout.reconfigure(errors=ESCAPED)
    logging.basicConfig(format=f"{this().prefix}%(message)s", level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("gemma_eval").setLevel(logging.INFO if this().main else logging.WARNING)
    for name in ("bitsandbytes", "torchao", "torch.utils._pytree"):  # they warn of every layer, and of kernels for other devices
        logging.getLogger(name).setLevel(logging.ERROR)


if __name__ == "__main__":
    sys.exit(main())
