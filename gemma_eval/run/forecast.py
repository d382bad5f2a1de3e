"""What a run would cost and what it could show, before anything is run: tokens, time, memory, and the differences it would detect."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gemma_eval.checkpoint.memory import Need, device_bytes, need
from gemma_eval.plan.cost import Cost, cost
from gemma_eval.run.prepare import Prepared, prepare
from gemma_eval.settings import Dtype, PlanConfig, RunConfig, TransformersConfig, VllmConfig
from gemma_eval.stats import power
from gemma_eval.store.rates import Rates, measured_rates
from gemma_eval.task.samples import TaskSamples


@dataclass(frozen=True)
class Detectable:
    """What a task's items could show, in a comparison of two runs that is paired (same items) or unpaired (other items).

    `size`: items of the full split. `paired`, `unpaired`: the smallest true difference that is found with the plan's power, as a share of
    the scale. `limit_paired`, `limit_unpaired`: the items that find the plan's difference. `limit_gate`: the items with which the gate
    passes a harmless build, with that difference as its margin.
    """

    items: int
    clusters: int
    size: int
    paired: float
    unpaired: float
    limit_paired: int
    limit_unpaired: int
    limit_gate: int


@dataclass(frozen=True)
class Memory:
    """Bytes that a run needs, and those that its device has. `longest`: tokens of the longest request and its answer."""

    need: Need
    available: int
    device: str
    longest: int

    @property
    def lacking(self) -> int:
        """Bytes that the longest request alone lacks; 0 if it fits."""
        return max(0, self.need.total - self.available)

    @property
    def side_by_side(self) -> int:
        """How many requests as long as the longest fit at once."""
        return max(0, self.available - self.need.weights - self.need.activations) // max(self.need.cache, 1)


@dataclass(frozen=True)
class Forecast:
    """The plan of a run. `rates`: None if no earlier run measured them. `stated`: whether the settings gave them.

    `missing`: what the run would go without, a message by task.
    """

    costs: Mapping[str, Cost]
    total: Cost
    rates: Rates | None
    stated: bool
    detectable: Mapping[str, Detectable]
    memory: Memory
    missing: Mapping[str, str]

    def seconds(self, cost: Cost) -> float | None:
        """The time for these requests, if every text is generated up to its limit; None if no rate is known."""
        return self.rates.seconds(cost.unique, cost.generated) if self.rates else None


def forecast(config: RunConfig) -> Forecast:
    """The plan of these settings. The model's weights are neither fetched nor loaded. Raises `GemmaEvalError` if no task can be run."""
    prepared = prepare(config, weights=False)
    stated = config.plan.tokens_per_second
    return Forecast(
        costs={name: cost([item.encoded for item in samples]) for name, samples in prepared.samples_of.items() if samples},
        total=cost([item.encoded for item in prepared.samples]),
        rates=Rates(stated, stated) if stated else measured_rates(Path(config.results), prepared.backend.fingerprint),
        stated=bool(stated),
        detectable={built.task.name: _of_task(built, config.plan) for built in prepared.tasks},
        memory=_memory(config, prepared),
        missing=prepared.missing.by_task(),
    )


def _of_task(built: TaskSamples, plan: PlanConfig) -> Detectable:
    return detectable(len(built.samples), len({sample.cluster for sample in built.samples}), built.size, plan)


def detectable(items: int, clusters: int, size: int, plan: PlanConfig) -> Detectable:
    """What so many items in so many clusters could show, on the plan's assumptions. `size`: items of the full split."""
    effective = power.effective_items(items, clusters, plan.correlation)
    paired, unpaired = power.paired_variance(plan.discordant), power.unpaired_variance(plan.right)

    def smallest(variance: float) -> float:
        return power.detectable(effective, variance, alpha=plan.alpha, power=plan.power)

    def limit(variance: float, sides: int = 2) -> int:
        needed = power.items_needed(plan.difference, variance, sides=sides, alpha=plan.alpha, power=plan.power)
        return round(needed * items / effective) if effective else needed

    return Detectable(
        items, clusters, size, smallest(paired), smallest(unpaired), limit(paired), limit(unpaired), limit(paired, sides=1)
    )  # fmt: skip


def _memory(config: RunConfig, prepared: Prepared) -> Memory:
    backend = config.backend
    dtype_bytes = 4 if backend.dtype is Dtype.float32 else 2
    longest = max((item.encoded.tokens_needed for item in prepared.samples), default=0)
    needed = need(
        prepared.checkpoint.path,
        bits=config.weights.bits or 8 * dtype_bytes,
        dtype_bytes=dtype_bytes,
        longest=longest,
        pass_tokens=backend.pass_tokens if isinstance(backend, TransformersConfig) else TransformersConfig.pass_tokens,
        windowed=isinstance(backend, VllmConfig),
    )
    if config.plan.memory_gb:
        return Memory(needed, round(config.plan.memory_gb * 2**30), "the stated device", longest)
    device, spread = "auto", isinstance(backend, VllmConfig) and backend.tensor_parallel_size > 1
    if isinstance(backend, TransformersConfig):
        device, spread = backend.device, bool(backend.device_map)
    name, available = device_bytes(device, spread)
    return Memory(needed, available, name, longest)
