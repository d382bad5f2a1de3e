"""The schema of every setting but the tasks' own: which keys exist and which types they have. Values live in `conf/`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from omegaconf import MISSING

from gemma_eval.sandbox import Sandbox


class Variant(Enum):
    pt = "pt"
    it = "it"


class Dtype(Enum):
    bfloat16 = "bfloat16"
    float32 = "float32"


class Compile(Enum):
    auto = "auto"
    on = "on"
    off = "off"


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
    compile: Compile = Compile.auto  # torch.compile; auto: once enough of the plan is left for it to pay
    threads: int | None = None  # CPU threads; PyTorch's choice when absent


BACKENDS: dict[str, type[BackendConfig]] = {"transformers": TransformersConfig}


@dataclass
class DataConfig:
    root: str | None = None  # a folder of dataset repositories laid out as on the Hub
    samples: bool = False  # the bundled items instead of any dataset


@dataclass
class ImagesConfig:
    """How images stand in prompts. The report's rows of pre-trained models are without Pan & Scan; the thresholds are transformers'."""

    limit: int | None = None  # images in one prompt; a prompt with more drops whole exemplars
    pan_and_scan: bool = False  # after a long image, crops along its longer side
    min_crop_size: int = 256  # pixels; smaller crops are not made
    max_crops: int = 4
    min_ratio: float = 1.2  # of the sides, from which on an image is cropped


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
    images: ImagesConfig = field(default_factory=ImagesConfig)
    tasks: Any = MISSING
    plugins: list[str] = field(default_factory=list)
    limit: int | None = None  # items per task, a seeded nested choice; `tasks.<name>.limit` overrides it
    seed: int = 1234  # exemplars and limits
    sandbox: Sandbox | None = None  # where generated code runs; fills `tasks.<name>.sandbox`, bubblewrap when absent
    results: str = "results"
    run: str | None = None  # name of the run directory; made from the choices above when absent
