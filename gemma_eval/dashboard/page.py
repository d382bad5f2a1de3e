"""The page, built of Gradio's components: a tab of runs and a playground. Tables show text as text, whatever it holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from gemma_eval.card import SIZES
from gemma_eval.dashboard.overview import PROGRESS_COLUMNS, RUN_COLUMNS, card_page, entries, progress_rows, run_rows
from gemma_eval.dashboard.playground import Playground, PlaygroundReply, Question
from gemma_eval.errors import GemmaEvalError
from gemma_eval.runtime import paths
from gemma_eval.store.progress import summary
from gemma_eval.types import Image

STYLE = Path(__file__).with_name("style.css")
REFRESH_SECONDS = 3.0
TOKEN_COLUMNS = ["Position", "Id", "Piece"]


def theme() -> Any:
    """A theme with the fonts of the reader's system, so that none is fetched."""
    return gr.themes.Default(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def build(results: Path) -> Any:
    """The page over the runs below `results`."""
    with gr.Blocks(title="gemma_eval", analytics_enabled=False, fill_width=True) as page:
        with gr.Tab("Runs"):
            _runs(page, results)
        with gr.Tab("Playground"):
            _playground()
    return page


# -- runs -------------------------------------------------------------------------------------------------------


def _runs(page: Any, results: Path) -> None:
    seen = gr.State([])  # the rows shown, so that they are set anew only when they change
    runs = gr.Dataframe(headers=RUN_COLUMNS, label="Runs", interactive=False, show_search="filter", elem_id="runs")
    with gr.Column(visible=False) as going_on:
        state = gr.Markdown(elem_id="state")
        progress = gr.Dataframe(headers=PROGRESS_COLUMNS, label="Running", interactive=False, elem_id="progress")
    shown = gr.Markdown("Click a run to see its card.", elem_id="card")

    def refresh(before: list[Any]) -> tuple[Any, ...]:
        found = entries(results)
        now, live = run_rows(found), progress_rows(found)
        running = [f"`{entry.name}`: {summary(entry.snapshot)}" for entry in found if entry.snapshot]
        return (
            gr.skip() if now == before else now,
            gr.skip() if now == before else gr.update(value=now),
            gr.update(visible=bool(live)),
            "  \n".join(running),
            live,
        )

    def show(name: str) -> str:
        known = {entry.name for entry in entries(results)}
        return card_page(results, name) if name in known else "That run is gone."

    def chosen(event: gr.SelectData) -> str:
        return show(event.row_value[0])

    outputs = [seen, runs, going_on, state, progress]
    page.load(refresh, seen, outputs, api_name="runs")
    gr.Timer(REFRESH_SECONDS).tick(refresh, seen, outputs, show_progress="hidden", api_visibility="private")
    runs.select(chosen, None, shown, api_visibility="private")


# -- playground -------------------------------------------------------------------------------------------------


def _playground() -> None:
    playground = Playground()
    with gr.Row():
        with gr.Column(scale=2):
            with gr.Row():
                model = gr.Dropdown(SIZES, value="270m", label="Model")
                variant = gr.Dropdown(paths.options("variant"), value="pt", label="Variant")
                weights = gr.Dropdown(paths.options("weights"), value="gguf_q4_k_m", label="Weights")
            path = gr.Textbox(label="Local checkpoint instead of that model", placeholder="folder or .gguf file")
            images = gr.Gallery(label="Images, shown to the model before the prompt", type="filepath", file_types=["image"], height=160)
            system = gr.Textbox(label="System prompt (variant it)", lines=2)
            prompt = gr.Textbox(label="Prompt", lines=6)
            with gr.Row():
                max_tokens = gr.Number(256, label="Max tokens", precision=0, minimum=1)
                temperature = gr.Number(0.0, label="Temperature (0: greedy)", minimum=0.0, step=0.1)
                seed = gr.Number(0, label="Seed", precision=0)
            with gr.Row():
                send = gr.Button("Send", variant="primary")
                stop = gr.Button("Stop")
        with gr.Column(scale=3):
            answer = gr.Textbox(label="Answer", lines=10, interactive=False, elem_id="answer", elem_classes="answer")
            state = gr.Textbox(label="State", interactive=False, elem_id="reply-state")
            tokens = gr.Dataframe(headers=TOKEN_COLUMNS, label="Tokens sent", interactive=False, elem_id="tokens")
            ids = gr.Textbox(label="Exact token ids", lines=3, interactive=False, buttons=["copy"], elem_classes="answer")

    def ask(
        model: str, variant: str, weights: str, path: str, images: list[Any] | None, system: str, prompt: str,
        max_tokens: int, temperature: float, seed: int,
    ) -> Iterator[tuple[Any, ...]]:  # fmt: skip
        shown = tuple(Image(Path(file).read_bytes()) for file, _ in images or ())
        choice = (model, variant, weights, path.strip())
        try:
            replies = playground.ask(Question(choice, prompt, system, shown, int(max_tokens), float(temperature), int(seed)))
            for number, reply in enumerate(replies):
                sent = (_token_rows(reply), " ".join(map(str, reply.sent))) if number == 0 or reply.draft.finish else (gr.skip(), gr.skip())
                yield reply.draft.text, reply.state, *sent
        except GemmaEvalError as error:
            raise gr.Error(str(error), duration=None, title="Refused") from error

    inputs = [model, variant, weights, path, images, system, prompt, max_tokens, temperature, seed]
    asking = send.click(ask, inputs, [answer, state, tokens, ids], api_name="ask")
    stop.click(None, None, None, cancels=[asking])


def _token_rows(reply: PlaygroundReply) -> list[list[Any]]:
    """A row for each token; equal tokens in succession share one."""
    return [[token.position, token.id, token.piece if token.count == 1 else f"{token.piece} x {token.count}"] for token in reply.tokens]
