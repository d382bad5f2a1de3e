"""`python -m gemma_eval` is `gemma-eval`, for launchers such as torchrun."""

import sys

from gemma_eval.commands.main import main

sys.exit(main())
