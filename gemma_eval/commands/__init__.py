"""The command line. Each subcommand is one module that follows `gemma_eval.commands.command.Command`."""
