"""How often a server is asked, when it is asked again, and which addresses cannot be right."""

from __future__ import annotations

import datetime
import email.utils
import ssl
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from gemma_eval.backends.prefix_cache.messages import NoAnswerError
from gemma_eval.backends.server.client import LONGEST_PAUSE, AwayError, Client, RefusedError
from gemma_eval.errors import ConfigError, GemmaEvalError, RunError
from gemma_eval.settings import ServerConfig
from tests.unit.backends.server.stub import KEY_VARIABLE, Reply, Stub, sent, served

BODY = {"prompt": [2, 5]}


def client(url: str, **settings: Any) -> Client:
    return Client(replace(ServerConfig(url=url, key_variable=KEY_VARIABLE, retries=2), **settings))


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, each of which takes no time."""
    made: list[float] = []

    async def wait(self: Client, address: object, problem: str, pause: float) -> None:
        made.append(pause)

    monkeypatch.setattr(Client, "_wait", wait)
    return made


class Turned:
    """Turned away with these responses first."""

    def __init__(self, *responses: Any) -> None:
        self._responses = list(responses)

    def __call__(self, body: dict[str, Any], reply: Reply) -> Any:
        return self._responses.pop(0) if self._responses else reply


def in_seconds(seconds: float) -> str:
    return email.utils.format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        ("7", 7, 7),
        ("2.5", 2.5, 2.5),
        (3600, LONGEST_PAUSE, LONGEST_PAUSE),
        (250, 100, 250),
        ("100000", LONGEST_PAUSE, LONGEST_PAUSE),
        ("inf", LONGEST_PAUSE, LONGEST_PAUSE),
        *((nothing, 0, 1) for nothing in ("", "0", "-5", "nan", "soon", -60, "Mon, 99 Foo 2026", "1e999x")),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_honoured(said: str | int, low: float, high: float, status: int, pauses: list[float]) -> None:
    """A number stands for the date in so many seconds."""
    said = said if isinstance(said, str) else in_seconds(said)
    with served(Stub(change=Turned(sent(status, "busy", Retry_After=said)))) as url:
        assert client(url).request("POST", "/completions", BODY)["choices"]
    (pause,) = pauses
    assert low <= pause <= high


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504, 520, 529])
def test_a_busy_server_is_asked_again(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with served(stub := Stub(change=Turned(sent(status), sent(status)))) as url:
        assert client(url).request("POST", "/completions", BODY)["choices"]
    assert stub.seen.total() == 3 and caplog.text.count("is away or busy") == 1


def test_an_error_with_200_counts_as_its_code() -> None:
    busy = {"error": {"code": 429, "message": "busy"}}
    with served(Stub(change=Turned(busy, busy))) as url:
        assert client(url).request("POST", "/completions", BODY)["choices"]
    with served(Stub(change=Turned(*[busy] * 3))) as url, pytest.raises(AwayError, match=r"HTTP 429: busy\), tried 3 times"):
        client(url).request("POST", "/completions", BODY)


@pytest.mark.parametrize(
    ("status", "kind"),
    [*((status, NoAnswerError) for status in (400, 413, 422)), *((s, RefusedError) for s in (304, 401, 402, 403, 404, 405, 410, 451, 501))],
)
def test_a_refusal_is_not_asked_again(status: int, kind: type[GemmaEvalError]) -> None:
    with served(stub := Stub(change=lambda body, reply: sent(status))) as url, pytest.raises(kind, match=rf"HTTP {status}\b"):
        client(url).request("POST", "/completions", BODY)
    assert stub.seen.total() == 1


def test_a_lost_connection_is_asked_again() -> None:
    with served(Stub(busy=1)) as url:
        asked = client(url)
        assert asked.request("POST", "/completions", BODY)
    with pytest.raises(AwayError, match="tried 3 times"):
        asked.request("POST", "/completions", BODY)


WRONG_ADDRESSES = [
    "https://127.0.0.1:{port}/v1",  # speaks no TLS
    "http://no-such-host.invalid:{port}/v1",
    f"http://{'a' * 70}.invalid:{{port}}/v1",
]


@pytest.mark.parametrize("address", WRONG_ADDRESSES)
def test_an_address_that_cannot_be_reached_is_refused_at_once(address: str, pauses: list[float]) -> None:
    with served(stub := Stub()) as url, pytest.raises(RunError, match=r"backend\.url: .* cannot be reached"):
        client(address.format(port=url.split(":")[2].split("/")[0])).request("POST", "/completions", BODY)
    assert not pauses and not stub.seen


def test_what_is_no_http_is_refused_at_once(pauses: list[float]) -> None:
    with not_http() as port, pytest.raises(RunError, match="cannot be reached"):
        client(f"http://127.0.0.1:{port}/v1").request("GET", "/models")
    assert not pauses


class not_http:  # noqa: N801  a context
    """A server that says something else to whoever connects."""

    def __enter__(self) -> int:
        import socket
        import threading

        self._socket = socket.create_server(("127.0.0.1", 0))

        def greet() -> None:
            while True:
                try:
                    connection, _ = self._socket.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *error: object) -> None:
        self._socket.close()


@pytest.mark.parametrize("error", [ssl.SSLError("handshake"), OSError("name")], ids=["TLS", "name"])
def test_a_server_that_was_there_is_waited_for(error: OSError, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is gone for a moment, or a handshake that breaks off, is no mistake once the server has answered."""
    key = aiohttp.client_reqrep.ConnectionKey("h", 1, True, True, None, None, None)
    kinds = {ssl.SSLError: aiohttp.ClientConnectorSSLError, OSError: aiohttp.ClientConnectorDNSError}
    with served(Stub()) as url:
        asked = client(url)
        asked.request("POST", "/completions", BODY)
        attempt = asked._attempt

        async def failing(*arguments: Any) -> Any:
            monkeypatch.setattr(asked, "_attempt", attempt)
            raise kinds[type(error)](key, error)

        monkeypatch.setattr(asked, "_attempt", failing)
        assert asked.request("POST", "/completions", BODY)["choices"]


def test_a_query_stays_behind_the_path() -> None:
    with served(stub := Stub()) as url:
        client(f"{url}/?api-version=1").request("POST", "/completions", BODY)
    assert stub.paths == {"/v1/completions?api-version=1": 1}


@pytest.mark.parametrize(
    ("value", "header"),
    [
        ("sk-1234", "Bearer sk-1234"),
        ("sk-1234\n", "Bearer sk-1234"),
        ("Basic user:pass word", "Basic dXNlcjpwYXNzIHdvcmQ="),
        ("Basic dXNlcjpwYXNz", "Basic dXNlcjpwYXNz"),
        ("Bearer sk-1234", "Bearer sk-1234"),
        ("", None),
    ],
)
def test_the_key_is_sent_and_shown_nowhere(value: str, header: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that repeats it: in the words of an error, across the place where these are cut, in a reply that is no JSON."""
    monkeypatch.setenv(KEY_VARIABLE, value)
    secrets = [part for part in (value.strip(), *value.strip().partition(" ")[2].split(":"), (header or "").split(" ")[-1]) if part]
    told = f"{'x ' * 145}{header} {' '.join(secrets)}"
    for response in (sent(400, told), sent(401, told), sent(503, told), sent(200, told), {"error": told}):
        with served(stub := Stub(change=Turned(*[response] * 3))) as url, pytest.raises(GemmaEvalError) as error:
            client(url).request("POST", "/completions", BODY)
        assert stub.keys == {header} and not any(secret in str(error.value) for secret in secrets)
        assert "x x x" in str(error.value)


@pytest.mark.parametrize("value", ["a\nb", "a\x00b".replace("\x00", "\x01"), "a\x7fb"])
def test_a_key_that_fits_into_no_header_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, value)
    with pytest.raises(ConfigError, match=f"{KEY_VARIABLE} holds a line break") as error:
        client("http://127.0.0.1:9/v1")
    assert value not in str(error.value)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    yield
