"""The dashboard as it is served: real requests, a real model, and nothing fetched from elsewhere."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from gemma_eval.checkpoint.resolve import resolve
from gemma_eval.scoring.scores_json import write_scores
from tests.runs import answers, write_run
from tests.settings import compose

gradio_client = pytest.importorskip("gradio_client", reason="the extra `ui` is not installed")
uvicorn = pytest.importorskip("uvicorn", reason="the extra `ui` is not installed")

CHROMIUM = shutil.which("chromium")
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    run = write_run(folder / "made", {"piqa": answers([True] * 79 + [False] * 21)}, model={"size": "4b"})
    write_scores(run)
    run.write_text("report.html", "<p>the report</p>")
    return folder


@contextmanager
def served(folder: Path, auth: str | None = None) -> Iterator[str]:
    from gemma_eval.dashboard.server import make_application

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = uvicorn.Server(
        uvicorn.Config(make_application(folder, host="127.0.0.1", auth=auth), port=port, log_level="error", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    with served(folder) as address:
        yield address


def ask(address: str, *question: Any) -> tuple[list[str], Any]:
    """The texts as they grew, and the last reply."""
    job = gradio_client.Client(address, verbose=False).submit(*question, api_name="/ask")
    return [reply[0] for reply in job], job.result()


@pytest.mark.model
def test_the_playground_sends_and_answers_what_a_run_would(address: str, gemma_270m: Path) -> None:
    from gemma_eval.run.model import open_model, open_renderer
    from gemma_eval.types import Generate, GenerateResponse, Prompt

    text = "The capital of France is"
    config = compose("model=270m", "weights=gguf_q4_k_m")
    model = open_model(config)
    (encoded,) = open_renderer(config, model).encode([Generate(Prompt((text,)), (), 8)])
    (answer,) = model.backend.answer([encoded])  # type: ignore[list-item]
    assert isinstance(answer.response, GenerateResponse)

    grown, (last, state, tokens, ids) = ask(address, "270m", "pt", "gguf_q4_k_m", "", [], "", text, 8, 0.0, 0)
    assert last == grown[-1] == answer.response.texts[0] != ""
    assert len(grown) == 9 and all(after.startswith(before) for before, after in pairwise(grown))
    assert ids.split() == [str(token) for token in encoded.prompt] and ids.startswith("2 ")  # type: ignore[union-attr]
    assert [row[2] for row in tokens["data"]] == ["<bos>", "The", "▁capital", "▁of", "▁France", "▁is"]
    assert state.startswith("6 tokens sent; 8 generated") and state.endswith("truncated at max tokens")


def test_the_playground_answers_to_an_image(address: str, tiny_vision: Path, tmp_path: Path) -> None:
    from tools.tiny_vision import picture

    (tmp_path / "picture.png").write_bytes(picture(0).data)
    shown = [{"image": gradio_client.handle_file(str(tmp_path / "picture.png")), "caption": None}]
    grown, (last, state, tokens, ids) = ask(address, "270m", "it", "bf16", str(tiny_vision), shown, "Be brief.", "What is this?", 4, 0.0, 0)
    assert last == grown[-1] != "" and "tokens sent" in state
    assert [row[2] for row in tokens["data"]].count("<image_soft_token> x 256") == 1
    assert ids.split().count("262144") == 256
    blind, _ = ask(address, "270m", "it", "bf16", str(tiny_vision), [], "Be brief.", "What is this?", 4, 0.0, 0)
    assert blind[-1] != last  # it looked


def test_a_system_prompt_stands_where_the_chat_template_puts_it(address: str, smollm2_gguf: Path) -> None:
    _, (*_, ids) = ask(address, "270m", "it", "bf16", str(smollm2_gguf), [], "Answer in French.", "Hello", 2, 0.0, 0)
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(compose("model=local", f"model.path={smollm2_gguf}")).path)
    turns = [{"role": "system", "content": "Answer in French."}, {"role": "user", "content": "Hello"}]
    expected = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)["input_ids"]
    assert [int(token) for token in ids.split()] == expected


@pytest.mark.parametrize(
    ("question", "why"),
    [
        (("27b", "pt", "gguf_q4_k_m", "", [], "", "x", 8, 0.0, 0), "there is no such checkpoint"),
        (("270m", "pt", "bf16", "/nowhere, 'really'", [], "", "x", 8, 0.0, 0), "no config.json there"),
    ],
)
def test_what_cannot_be_asked_is_said(address: str, question: tuple[Any, ...], why: str) -> None:
    with pytest.raises(Exception, match=why):
        ask(address, *question)


def test_reports_are_served_to_this_machine_alone(address: str) -> None:
    assert urlopen(f"{address}/runs/made/report.html").read() == b"<p>the report</p>"
    for path, host, code in (("/", "elsewhere.example", 400), ("/runs/../../etc/passwd", "localhost", 404)):
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(address + path, headers={"Host": host}))
        assert refused.value.code == code


def test_nobody_is_let_in_without_the_password(folder: Path) -> None:
    with served(folder, auth="me:secret") as address:
        for path in ("/", "/runs/made/report.html", "/gradio_api/info"):
            with pytest.raises(HTTPError) as refused:
                urlopen(address + path)
            assert refused.value.code == 401
        assert urlopen(Request(f"{address}/runs/made/report.html", headers={"Authorization": "Basic bWU6c2VjcmV0"})).status == 200


@pytest.mark.skipif(not CHROMIUM, reason="no chromium")
def test_in_a_browser(address: str, folder: Path) -> None:
    """A chosen run shows its card; nothing comes from another host; no errors in the console."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    hosts, errors = set(), []
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        page = browser.new_page()
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]) if request.url.startswith("http") else None)
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(address)
        page.locator("#runs").get_by_text("made", exact=True).locator("visible=true").first.click()
        page.locator("#card").get_by_role("cell", name="79.0").wait_for()
        assert page.get_by_role("link", name="report").get_attribute("href") == "/runs/made/report.html"
        browser.close()
    assert hosts == {address.removeprefix("http://")} and errors == []
