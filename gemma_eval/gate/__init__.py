"""The gate judges a run against a baseline by a policy. The decision is pass, fail or inconclusive."""

from __future__ import annotations

from gemma_eval.gate.decision import Decision, GateResult, TaskVerdict, judge, noise_floor
from gemma_eval.gate.policy import Policy, load_policy

__all__ = ["Decision", "GateResult", "Policy", "TaskVerdict", "judge", "load_policy", "noise_floor"]
