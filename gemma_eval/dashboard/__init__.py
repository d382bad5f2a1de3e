"""A local web page over a folder of runs: all runs, those that are going on, the card of a chosen one; and a playground.

Made of Gradio's components (extra `ui`), which are imported when the page is opened.
"""

from gemma_eval.dashboard.server import serve

__all__ = ["serve"]
