"""A whole run against a server that refuses one prompt, and repeats the key in its errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gemma_eval.commands.main import main
from tests.unit.backends.server.stub import KEY_VARIABLE, Reply, Stub, sent, served

KEY = "sk-never-shown"


def test_one_refused_prompt_is_named_and_asked_again(
    tiny_gemma: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    asked: list[list[int]] = []
    refusing = True

    def change(body: dict[str, Any], reply: Reply) -> Any:
        if len(body["prompt"]) < 500:  # GSM8K's prompts alone are longer than this
            return reply
        if body["prompt"] not in asked:
            asked.append(body["prompt"])
        return sent(400, f'{{"error": "too long for {KEY}"}}') if refusing and body["prompt"] == asked[0] else reply

    with served(stub := Stub(change=change)) as url:
        command = ["run", "backend=server", f"backend.url={url}", f"backend.key_variable={KEY_VARIABLE}", "model=local", "run=r"]
        command += [f"model.path={tiny_gemma}", "data=samples", "suite=gsm8k", "limit=6", f"results={tmp_path}"]
        assert main(command) == 3
        told = capsys.readouterr().out + caplog.text
        assert re.search(r"gsm8k: 1 samples cannot be answered; sample \S+: the server refuses it \(HTTP 400: too long for …\)", told)
        records = tmp_path / "r" / "records" / "gsm8k.jsonl"
        assert len(records.read_text().splitlines()) == 5 and len(asked) == 6
        refusing = False
        assert main(command) == 0 and len(records.read_text().splitlines()) == 6
    assert stub.keys == {f"Bearer {KEY}"} and KEY not in told
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or KEY.encode() not in file.read_bytes()
