"""What every run checks before its first answer, since no score shows it: BOS, log-probabilities, a text, and shared prefixes.

The prompts are two short ones of the doctor's, as the run itself would send them, and its image where the run shows images. For the 270M
that takes a second of one CPU core. `gemma-eval doctor` checks more, and compares with another engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gemma_eval.backends import Backend
from gemma_eval.checkpoint.resolve import Checkpoint
from gemma_eval.doctor.findings import Finding, adds_no_bos, likely, one_bos, readable
from gemma_eval.doctor.measure import adds_bos, ask, expected_bos
from gemma_eval.doctor.prompts import IMAGE, PROMPTS
from gemma_eval.doctor.weights import why_not_finite
from gemma_eval.errors import ConfigError, ModelError
from gemma_eval.prompt.renderer import Renderer
from gemma_eval.types import Encoded, EncodedGenerate, EncodedScore, Generate, Prompt

SHORT = ("passage", "mixed")
SCORED = 4  # last tokens of a prompt that are scored
MAX_TOKENS = 5


@dataclass(frozen=True)
class StartUp:
    """The check of one model. `bos`: the id of its BOS, if it has one. `probes`: the prompts, by name; too long ones are left out."""

    backend: Backend
    checkpoint: Checkpoint
    bos: int | None
    probes: Mapping[str, EncodedGenerate]

    @classmethod
    def of(cls, backend: Backend, checkpoint: Checkpoint, renderer: Renderer) -> StartUp:
        """The check of this model, whose prompts `renderer` encodes."""
        parts = {name: PROMPTS[name] for name in SHORT} | (IMAGE if checkpoint.reads_images else {})
        encoded = renderer.encode([Generate(Prompt(one), stop=(), max_tokens=MAX_TOKENS) for one in parts.values()])
        probes = {name: ids for name, ids in zip(parts, encoded, strict=True) if isinstance(ids, EncodedGenerate)}
        return cls(backend, checkpoint, expected_bos(backend.tokenizer, checkpoint.config), probes)

    def findings(self, requests: Sequence[Encoded]) -> list[Finding]:
        """What the check finds before these requests are asked. Raises `ConfigError` if the backend cannot answer such requests."""
        images = any(request.images for request in requests)
        probes = {name: ids for name, ids in self.probes.items() if images or not ids.images}
        found = [one_bos((ids for request in [*requests, *probes.values()] for ids in _sequences(request)), self.bos)]
        if not adds_bos(self.backend.tokenizer, self.bos):
            found.append(adds_no_bos())
        return [*found, *self._asked(probes, any(isinstance(request, EncodedScore) for request in requests))]

    def _asked(self, probes: Mapping[str, EncodedGenerate], scores_needed: bool) -> Iterator[Finding]:
        names = ("log-probabilities", "texts")
        if not probes:
            yield from (Finding(name, None, "not checked: the prompts are too long for this context") for name in names)
            return
        try:
            measured = ask(self.backend, probes, SCORED)
        except ConfigError as error:
            if scores_needed:
                raise
            yield Finding(names[0], None, f"not checked: {error}")
            measured = ask(self.backend, probes, scored=0)
        if refused := next(iter(measured.refused.values()), None):
            yield Finding("prompts", None, f"not checked: {refused}")
        values = [value for found in measured.logprobs.values() for value in found]
        if values:
            yield likely(names[0], values) if measured.finite else self._explained(likely(names[0], values))
        if measured.texts:
            finding = readable(measured.texts, measured.faults)
            yield self._explained(finding) if measured.faults and measured.finite else finding
        shares = self.backend.sharing if values and measured.finite else ""
        yield Finding("shared prefixes", True if shares else None, shares or "not checked: there are no log-probabilities to compare")

    def _explained(self, finding: Finding) -> Finding:
        """The finding of numbers that are not finite, with the likely cause."""
        dtype = self.backend.fingerprint.get("dtype")
        otherwise = f"no stored weight is NaN or infinite, so {dtype} overflows or the engine errs: see `gemma-eval doctor --against`"
        return replace(finding, refusal=f"{finding.refusal}; {why_not_finite(self.checkpoint.path) or otherwise}")

    def refuse(self, findings: Sequence[Finding]) -> None:
        """Raise `ModelError` if no score of a run with these findings could mean anything."""
        for finding in findings:
            if finding.refusal:
                raise ModelError(f"{self.checkpoint.name}: its scores would mean nothing: {finding.refusal}")


def _sequences(request: Encoded) -> Sequence[Any]:
    return request.sequences if isinstance(request, EncodedScore) else (request.prompt,)
