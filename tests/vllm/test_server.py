"""`backend=server` against a real `vllm serve` that is killed in the middle and started again: the run waits and goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gemma_eval.checkpoint.resolve import Checkpoint
from tests.vllm.command import SETTINGS, assert_same_answers, finish, start, wait_for_records

pytestmark = [pytest.mark.vllm, pytest.mark.model, pytest.mark.slow]

RUN = [*SETTINGS, "data=samples", "suite.tasks=[piqa,mmlu,gsm8k]", "limit=6", "tasks.gsm8k.max_tokens=16"]


@contextmanager
def serving(checkpoint: Checkpoint, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A server, once it answers; killed with all its processes in the end."""
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(checkpoint.path), "--served-model-name", "gemma"]
    options = ["--dtype", "float32", "--enforce-eager", "--max-model-len", "4096", "--kv-cache-memory-bytes", str(1 << 30)]
    process = subprocess.Popen([*command, *options, "--host", "127.0.0.1", "--port", str(port)], start_new_session=True)
    try:
        while not answers(port):
            assert process.poll() is None, "the server did not start"
            time.sleep(0.5)
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5):
            return True
    except (urllib.error.URLError, OSError):
        return False


def test_a_run_outlives_its_server(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = [
        "backend=server",
        f"backend.url=http://127.0.0.1:{port}/v1",
        "backend.concurrency=2",
        "backend.retries=12",
        "backend.verify=1",
    ]
    with serving(checkpoint, port):
        run = start("run", *RUN, *server, f"results={tmp_path}", "run=server")
        wait_for_records(tmp_path / "server", 3, run)
    assert run.poll() is None
    with serving(checkpoint, port):
        finish(run)
    finish(start("run", *RUN, f"results={tmp_path}", "run=transformers"))
    assert_same_answers(tmp_path / "server", tmp_path / "transformers")
