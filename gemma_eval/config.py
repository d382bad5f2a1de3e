"""The schema of every Hydra setting, and the checks that a type cannot express.

Values live in `conf/`; this module says which keys exist and which types they have. Tasks add their own fields:
`tasks.<name>` is the task's dataclass (see `gemma_eval.task`).
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass, field, make_dataclass
from enum import Enum
from typing import Any

from hydra.core.config_store import ConfigStore
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from gemma_eval.errors import ConfigError
from gemma_eval.task import Task, registry


class Variant(Enum):
    pt = "pt"
    it = "it"


class Dtype(Enum):
    bfloat16 = "bfloat16"
    float32 = "float32"


@dataclass
class CheckpointRef:
    """Where a checkpoint comes from: a Hub repository, or a GGUF file inside an installed Python package."""

    repo: str | None = None
    revision: str | None = None
    package: str | None = None
    sha256: str | None = None


@dataclass
class ModelConfig:
    size: str = MISSING
    context_length: int = MISSING
    sliding_window: int = MISSING
    vision: bool = MISSING
    checkpoints: dict[str, Any] = MISSING  # weights -> variant -> the fields of a CheckpointRef
    path: str | None = None  # any local checkpoint instead


@dataclass
class WeightsConfig:
    name: str = MISSING
    description: str = ""


@dataclass
class BackendConfig:
    name: str = MISSING


@dataclass
class TransformersConfig(BackendConfig):
    """The `transformers` backend. Budgets are in tokens; on out-of-memory they halve and the run goes on."""

    name: str = "transformers"
    dtype: Dtype = Dtype.bfloat16
    device: str = "auto"  # auto, cpu, cuda, cuda:1, ...
    device_map: str | None = None  # accelerate's placement over several GPUs: auto, balanced, ...
    pass_tokens: int | None = None  # tokens in one scoring pass; chosen by device when absent
    cache_tokens: int | None = None  # tokens in the key-value cache of one generation batch; likewise
    share_prefixes: bool = True  # off: every continuation is computed from the first token on, as a check
    threads: int | None = None  # CPU threads; PyTorch's choice when absent


BACKENDS: dict[str, type[BackendConfig]] = {"transformers": TransformersConfig}


@dataclass
class DataConfig:
    root: str | None = None  # a folder of dataset repositories laid out as on the Hub
    samples: bool = False  # the bundled items instead of any dataset


@dataclass
class SuiteConfig:
    name: str = MISSING
    tasks: list[str] = MISSING


@dataclass
class RunConfig:
    model: ModelConfig = field(default_factory=ModelConfig)
    variant: Variant = Variant.pt
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    backend: BackendConfig = MISSING
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    data: DataConfig = field(default_factory=DataConfig)
    tasks: Any = MISSING
    plugins: list[str] = field(default_factory=list)
    limit: int | None = None  # items per task, a seeded nested choice; `tasks.<name>.limit` overrides it
    seed: int = 1234  # exemplars and limits
    results: str = "results"
    run: str | None = None  # name of the run directory; made from the choices above when absent


def register_schema() -> type[RunConfig]:
    """Register the schema with Hydra, one field of `tasks` and one single-task suite per registered task."""
    tasks = make_dataclass(
        "Tasks", [(name, cls, field(default_factory=cls)) for name, cls in sorted(registry().items())]
    )
    schema = make_dataclass("Schema", [("tasks", tasks, field(default_factory=tasks))], bases=(RunConfig,))
    store = ConfigStore.instance()
    store.store(name="schema", node=schema)
    for name, node in BACKENDS.items():
        store.store(group="backend", name=f"{name}_schema", node=node)
    for name in registry():
        store.store(group="suite", name=name, node={"name": name, "tasks": [name]}, provider="gemma_eval")
    return schema


def check_override_keys(overrides: list[str], schema: type[RunConfig]) -> None:
    """Refuse an override of an unknown key, naming the key and the choices (Hydra alone suggests `+key=`, which cannot work)."""
    keys = dict(match.groups() for override in overrides if (match := re.match(r"[+~]*([A-Za-z_][\w.]*)=(.*)", override)))
    node = OmegaConf.structured(schema)
    node.backend = OmegaConf.structured(BACKENDS.get(keys.get("backend", ""), TransformersConfig))
    for key in keys:
        if key.partition(".")[0] not in {"hydra", "experiment"}:
            _check_key(key, node)


def _check_key(key: str, node: Any) -> None:
    walked: list[str] = []
    for part in key.split("."):
        if not isinstance(node, DictConfig) or OmegaConf.get_type(node) is dict or node._is_missing():
            return
        names = [str(name) for name in node]
        if part not in names:
            place = ".".join(walked) or "the configuration"
            near = difflib.get_close_matches(part, names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"unknown key {key!r}: {place} has no field {part!r}.{hint} Choices: {', '.join(names)}")
        walked.append(part)
        node = node._get_node(part)


def to_run_config(config: DictConfig) -> RunConfig:
    """Typed settings from Hydra's composed config, checked."""
    try:
        run: RunConfig = OmegaConf.to_object(config)  # type: ignore[assignment]
    except OmegaConfBaseException as error:
        raise ConfigError(f"configuration: {error}") from error
    validate(run)
    return run


def validate(config: RunConfig) -> None:
    """Refuse pairs that cannot work, naming the key and the choices."""
    known = registry()
    for name in config.suite.tasks:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"suite.tasks: no task {name!r}.{hint} Choices: {', '.join(sorted(known))}")
    if config.model.path is None:
        checkpoint_ref(config)
    if not config.model.vision:
        blind = [name for name in config.suite.tasks if known[name].vision]
        if blind:
            raise ConfigError(
                f"model={config.model.size} cannot see images, which {', '.join(blind)} need(s). "
                "Choose model=4b, 12b or 27b, or a suite of text tasks"
            )
    for key, value in {"limit": config.limit, **{f"tasks.{t.name}.limit": t.limit for t in selected_tasks(config)}}.items():
        if value is not None and value < 1:
            raise ConfigError(f"{key}={value}: must be at least 1 (leave it out for the full split)")
    for task in selected_tasks(config):
        if task.num_fewshot < 0:
            raise ConfigError(f"tasks.{task.name}.num_fewshot={task.num_fewshot}: must be 0 or more")


def checkpoint_ref(config: RunConfig) -> CheckpointRef:
    """The checkpoint that model, variant and weights name."""
    by_weights = config.model.checkpoints
    ref = by_weights.get(config.weights.name, {}).get(config.variant.value)
    if ref is None and config.model.size == "local":
        raise ConfigError("model=local needs model.path=DIR, a checkpoint folder as `save_pretrained` writes it")
    if ref is None:
        variant = config.variant.value
        choices = [weights for weights, variants in by_weights.items() if variant in variants]
        raise ConfigError(
            f"weights={config.weights.name}: there is no such checkpoint for model={config.model.size} variant={variant}. "
            f"Choices: {', '.join(choices)}; or model.path=DIR for a local one"
        )
    return OmegaConf.to_object(OmegaConf.merge(OmegaConf.structured(CheckpointRef), ref))  # type: ignore[return-value]


def selected_tasks(config: RunConfig) -> list[Task]:
    """The suite's tasks with their settings; the global limit and seed fill what a task leaves open."""
    tasks = []
    for name in dict.fromkeys(config.suite.tasks):
        task: Task = getattr(config.tasks, name)
        task.limit = config.limit if task.limit is None else task.limit
        task.seed = config.seed if task.seed is None else task.seed
        tasks.append(task)
    return tasks


def run_name(config: RunConfig) -> str:
    """Name of the run directory: the same choices give the same name, so the same command resumes."""
    if config.run:
        return config.run
    model = config.model.size if config.model.path is None else config.model.path.rstrip("/").rsplit("/", 1)[-1]
    weights = config.weights.name if config.model.path is None else "local"
    parts = [model, config.variant.value, weights, config.backend.name, config.suite.name]
    return "-".join(parts + (["samples"] if config.data.samples else []))
