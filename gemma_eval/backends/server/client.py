"""HTTP: many requests in flight, each tried again while the server is away or busy."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import email.utils
import json
import logging
import math
import queue
import random
import threading
import time
from collections.abc import Collection
from typing import Any

import aiohttp
import yarl

from gemma_eval.backends.prefix_cache.messages import NoAnswerError
from gemma_eval.backends.server import replies
from gemma_eval.backends.server.key import Key
from gemma_eval.errors import RunError
from gemma_eval.runtime.urls import check_server_url, without_secrets
from gemma_eval.settings import ServerConfig

log = logging.getLogger(__name__)

OF_ONE_PROMPT = {400, 413, 422}  # too long, or filtered
BUSY = {408, 409, 425, 429, 500}  # and what is above 501
SAY_EVERY = 60.0  # seconds
LONGEST_PAUSE = 300.0  # seconds
MISTAKEN = (  # what comes of a wrong address, unless the server has answered before
    ValueError,  # of the address itself
    aiohttp.ClientSSLError,
    aiohttp.ClientConnectorDNSError,
    aiohttp.ClientResponseError,  # not HTTP
)


class AwayError(RunError):
    """The server gave no answer, however often it was asked. `problem`: what came of the last attempt."""

    def __init__(self, where: str, problem: str, attempts: int) -> None:
        super().__init__(
            f"{where} does not answer ({problem}), tried {attempts} times. Start the server and run the same command again: "
            "what is answered is kept"
        )
        self.problem = problem


class RefusedError(RunError):
    """The server would refuse any request: a wrong key, a wrong path, an unknown model. `status`: HTTP's."""

    def __init__(self, where: str, status: int, problem: str, mend: str) -> None:
        super().__init__(f"{where} refuses all requests ({problem}): {mend}")
        self.status = status


class _BusyError(Exception):
    """The server asks to be asked again. `pause`: after so many seconds, if it says."""

    def __init__(self, problem: str, pause: float = 0.0) -> None:
        super().__init__(problem)
        self.pause = pause


class Client:
    """Sends JSON to a server, from an event loop in a thread of its own. `concurrency`: requests worth having in flight.

    Raises `ConfigError` for an address that cannot be one.
    """

    def __init__(self, settings: ServerConfig) -> None:
        check_server_url("backend.url", settings.url)
        self.concurrency = settings.concurrency
        self._settings = settings
        self._url = yarl.URL(settings.url)
        self._key = Key(settings.key_variable)
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._session: aiohttp.ClientSession | None = None
        self._responses: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        self._in_flight: dict[str, concurrent.futures.Future[None]] = {}
        self._reached = False
        self._said_waiting = -math.inf
        atexit.register(self.close)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None, *, attempts: int | None = None) -> Any:
        """The response to one request, as JSON. `attempts`: as the settings say if absent.

        Raises `NoAnswerError` if the server refuses this request, `AwayError` if it stays away or busy, `RefusedError` if it would
        refuse any request, and `RunError` if nothing can be reached at this address.
        """
        return asyncio.run_coroutine_threadsafe(self._request(method, path, body, attempts), self._loop).result()

    def post(self, tag: str, path: str, body: dict[str, Any]) -> None:
        """Send a request whose response comes later, with this tag."""
        self._in_flight[tag] = asyncio.run_coroutine_threadsafe(self._post(tag, path, body), self._loop)

    def next_response(self) -> tuple[str, Any]:
        """The next response to a `post`, with its tag, once there is one: JSON, or the error that `request` would raise."""
        tag, found = self._responses.get()
        self._in_flight.pop(tag, None)
        return tag, found

    def cancel(self, tags: Collection[str]) -> None:
        """Drop these requests. A response that came in the meantime is dropped too."""
        for tag in tags:
            if future := self._in_flight.pop(tag, None):
                future.cancel()
        self._responses = queue.SimpleQueue()

    def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(timeout=5)
            self._session = None

    async def _post(self, tag: str, path: str, body: dict[str, Any]) -> None:
        responses = self._responses
        try:
            responses.put((tag, await self._request("POST", path, body, None)))
        except Exception as error:  # raised again where the reply is read
            responses.put((tag, error))

    async def _request(self, method: str, path: str, body: dict[str, Any] | None, attempts: int | None) -> Any:
        """The response, after as many attempts as are allowed."""
        attempts = attempts or self._settings.retries + 1
        address = self._url.joinpath(*path.strip("/").split("/")).with_query(self._url.query)
        problem, pause = "", 0.0
        for attempt in range(attempts):
            if attempt:
                pause = max(pause, min(LONGEST_PAUSE, 2 ** (attempt - 1)) * random.uniform(0.5, 1))
                await self._wait(address, problem, pause)
            try:
                return await self._attempt(method, address, body)
            except _BusyError as error:
                problem, pause = str(error), error.pause
            except (TimeoutError, OSError, ValueError, aiohttp.ClientError) as error:
                problem, pause = self._shown(f"{type(error).__name__}: {error}"), 0.0
                if isinstance(error, MISTAKEN) and not self._reached:
                    raise RunError(f"backend.url: {address} cannot be reached ({problem}); check scheme, host and port") from error
        raise AwayError(str(address), problem, attempts)

    async def _attempt(self, method: str, address: yarl.URL, body: dict[str, Any] | None) -> Any:
        """The response to one attempt."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._key.headers,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                connector=aiohttp.TCPConnector(limit=self._settings.concurrency),
            )
        async with self._session.request(method, address, json=body) as response:
            content = await response.read()
        self._reached = True
        status = response.status
        if 200 <= status < 300:
            try:
                found = json.loads(content.decode("utf-8-sig"))
            except (ValueError, RecursionError) as error:
                words = self._shown(_text(content)) or "it is empty"
                raise NoAnswerError(f"the server's reply is not JSON: {words}") from error
            if not (error_in_it := replies.refusal(found)):
                return found
            status, words = error_in_it
        else:
            words = replies.words(_text(content))
        raise self._refused(without_secrets(str(response.url)), status, self._shown(words), _pause(response.headers.get("Retry-After", "")))

    def _refused(self, address: str, status: int, words: str, pause: float) -> Exception:
        """What an error status means."""
        problem = f"HTTP {status}: {words}".removesuffix(": ")
        if status in OF_ONE_PROMPT:
            return NoAnswerError(f"the server refuses it ({problem})")
        if status in BUSY or status > 501:
            return _BusyError(problem, pause)
        mend = "check backend.url and backend.served_model"
        if status in (401, 403):
            variable = f"{self._settings.key_variable} (backend.key_variable)"
            mend = f"it does not take the key in {variable}" if self._key else f"set {variable} to its key"
        return RefusedError(address, status, problem, mend)

    def _shown(self, text: str) -> str:
        """Words from elsewhere as part of a message."""
        return replies.one_line(self._key.hidden(text))

    async def _wait(self, address: yarl.URL, problem: str, pause: float) -> None:
        """Pause, and say now and then what for."""
        if time.monotonic() - self._said_waiting > SAY_EVERY:
            self._said_waiting = time.monotonic()
            log.warning("%s is away or busy (%s): trying again, now after %.0f s", address, problem, pause)
        await asyncio.sleep(pause)


def _text(content: bytes) -> str:
    return content.decode("utf-8-sig", "replace")


def _pause(header: str) -> float:
    """Seconds to wait as Retry-After says, in seconds or as a date; 0 if it says nothing. At most `LONGEST_PAUSE`."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return min(seconds, LONGEST_PAUSE) if seconds > 0 else 0.0
