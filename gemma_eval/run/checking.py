"""The model is checked before its first answer, in every process, and the verdict is kept with the run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from gemma_eval.backends import Watcher
from gemma_eval.doctor.findings import Finding
from gemma_eval.doctor.startup import StartUp
from gemma_eval.runtime.processes import Processes
from gemma_eval.store.environment import Check
from gemma_eval.store.run_dir import RunDir
from gemma_eval.types import Encoded

log = logging.getLogger(__name__)


def check_model(directory: RunDir, startup: StartUp | None, processes: Processes, requests: Sequence[Encoded], watcher: Watcher) -> None:
    """Check the model that is to answer `requests`, this process's share. Each process must call this, also one without any request.

    The main process writes the verdict. Raises `ModelError` if no score could mean anything.
    """
    own: list[Finding] = []
    if startup and requests:
        startup.backend.load(requests, watcher)
        watcher.phase("checking")
        own = startup.findings(requests)
    found = _worst(processes.exchange(own))
    if startup is None or not found:
        return
    if processes.main:
        checks = [Check(finding.name, finding.healthy, finding.detail) for finding in found]
        directory.write_json("environment.json", replace(directory.environment, checks=checks).to_json())
    startup.refuse(found)
    for finding in found if processes.main else ():
        if finding.healthy is False:
            log.warning("%s: %s", finding.name, finding.detail)


def _worst(of_processes: Sequence[Sequence[Finding]]) -> list[Finding]:
    """Of each check, what the process found for which it looks worst."""
    order = (True, None, False)
    found: dict[str, Finding] = {}
    for finding in (finding for findings in of_processes for finding in findings):
        before = found.setdefault(finding.name, finding)
        if order.index(finding.healthy) > order.index(before.healthy):
            found[finding.name] = finding
    return list(found.values())
