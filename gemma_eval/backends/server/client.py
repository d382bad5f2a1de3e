"""HTTP: a bounded number of requests in flight, retried while the server is away or busy."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import os
import queue
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp

from gemma_eval.backends.prefix_cache.messages import EngineReply, EngineRequest
from gemma_eval.errors import RunError
from gemma_eval.settings import ServerConfig

BUSY = {408, 409, 425, 429, 500, 502, 503, 504}
LONGEST_PAUSE = 300.0  # seconds


class Client:
    """An engine at the other end of HTTP. `payload` and `reply` translate asks into the server's dialect and back."""

    def __init__(self, settings: ServerConfig) -> None:
        self.max_in_flight = settings.concurrency
        self.payload: Callable[[EngineRequest], dict[str, Any]] = _no_dialect
        self.reply: Callable[[EngineRequest, dict[str, Any]], EngineReply] = _no_dialect
        self._settings = settings
        self._url = settings.url.rstrip("/")
        key = os.environ.get(settings.key_variable)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._session: aiohttp.ClientSession | None = None
        self._done: queue.SimpleQueue[tuple[str, EngineRequest, EngineReply | Exception]] = queue.SimpleQueue()
        self._asked: dict[str, concurrent.futures.Future[None]] = {}
        self._serial = 0
        atexit.register(self.close)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """One request, waited for. Raises `RunError` with the server's own words where it refuses."""
        return asyncio.run_coroutine_threadsafe(self._request(method, path, body), self._loop).result()

    @property
    def in_flight(self) -> int:
        return len(self._asked)

    def submit(self, request: EngineRequest) -> str:
        self._serial += 1
        tag = str(self._serial)
        self._asked[tag] = asyncio.run_coroutine_threadsafe(self._answer(tag, request), self._loop)
        return tag

    def step(self) -> Iterator[tuple[str, EngineRequest, EngineReply]]:
        """The next reply, as soon as there is one. Raises what went wrong with a request."""
        tag, request, found = self._done.get()
        self._asked.pop(tag, None)
        if isinstance(found, Exception):
            raise found
        yield tag, request, found

    def abort(self) -> None:
        for future in self._asked.values():
            future.cancel()
        self._asked.clear()
        self._done = queue.SimpleQueue()  # what comes late is not heard

    def close(self) -> None:
        if self._session is not None:
            asyncio.run_coroutine_threadsafe(self._session.close(), self._loop).result(timeout=5)
            self._session = None

    async def _answer(self, tag: str, request: EngineRequest) -> None:
        done = self._done
        try:
            done.put((tag, request, self.reply(request, await self._request("POST", "/completions", self.payload(request)))))
        except Exception as error:  # raised again by `step`
            done.put((tag, request, error))

    async def _request(self, method: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout),
                connector=aiohttp.TCPConnector(limit=self._settings.concurrency),
            )
        problem = ""
        for attempt in range(self._settings.retries + 1):
            if attempt:
                await asyncio.sleep(min(LONGEST_PAUSE, 2 ** (attempt - 1)) * random.uniform(0.5, 1))
            try:
                async with self._session.request(method, self._url + path, json=body) as response:
                    if response.status == 200:
                        found: dict[str, Any] = await response.json(content_type=None)
                        return found
                    problem = f"HTTP {response.status}: {(await response.text())[:300]}"
                    if response.status not in BUSY:
                        raise RunError(f"{self._url}{path} refuses a request: {problem}")
            except (TimeoutError, aiohttp.ClientError, ValueError) as error:
                problem = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{self._url}{path} does not answer ({problem}), tried {self._settings.retries + 1} times. Start the server and run the same "
            "command again: what is answered is kept"
        )


def _no_dialect(*_: Any) -> Any:
    raise AssertionError("the server's dialect is set before it is asked")
