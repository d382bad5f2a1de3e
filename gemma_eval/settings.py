"""The schema of every setting but the tasks' own: which keys exist, and their types. Values live in `conf/`.

Settings are composed and resolved once (`gemma_eval.config`), and immutable from then on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from omegaconf import MISSING, DictConfig


def unlocked(node: Any) -> Any:
    """An OmegaConf node of a frozen dataclass that still takes overrides. OmegaConf locks such nodes, at every depth."""
    if isinstance(node, DictConfig):
        node._set_flag("readonly", None)
        if not (node._is_none() or node._is_missing()):
            for name in node:
                unlocked(node._get_node(name))
    return node


class Sandbox(Enum):
    """Where generated code runs."""

    bubblewrap = "bubblewrap"
    subprocess = "subprocess"


class Variant(Enum):
    """Pre-trained or instruction-tuned."""

    pt = "pt"
    it = "it"


class Dtype(Enum):
    """The dtype of weights and activations. float16 is not offered, since activations of Gemma 3 exceed its range."""

    bfloat16 = "bfloat16"
    float32 = "float32"


class Compile(Enum):
    """Whether torch.compile is used. `auto`: once enough work is left for it to pay."""

    auto = "auto"
    on = "on"
    off = "off"


class Quantization(Enum):
    """How weights are stored in memory: as in the checkpoint, or quantized while they are loaded."""

    none = "none"
    fp8 = "fp8"
    bnb_int8 = "bnb_int8"
    bnb_nf4 = "bnb_nf4"
    torchao_int8 = "torchao_int8"  # weights alone
    torchao_int8_dynamic = "torchao_int8_dynamic"  # activations too
    torchao_int4 = "torchao_int4"
    w4a16 = "w4a16"  # stored so in the checkpoint, by compressed-tensors: 4-bit weights
    w8a8 = "w8a8"  # likewise: 8-bit weights and activations


@dataclass(frozen=True)
class CheckpointRef:
    """Where a checkpoint comes from: a Hub repository (or a GGUF file there), or a GGUF file inside an installed Python package."""

    repo: str | None = None
    revision: str | None = None
    gguf: str | None = None  # name of the file in the repository, as a pattern
    package: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class ModelConfig:
    """A Gemma 3 size and its checkpoints, or with `path` any local checkpoint."""

    size: str = MISSING
    context_length: int = MISSING
    sliding_window: int = MISSING
    vision: bool = MISSING
    checkpoints: dict[str, Any] = MISSING  # weights -> variant -> the fields of a CheckpointRef
    path: str | None = None  # a local checkpoint, used instead
    revision: str | None = None  # a commit, tag or branch of the checkpoint's Hub repository, instead of the one that `checkpoints` says


@dataclass(frozen=True)
class WeightsConfig:
    """Which weights are scored."""

    name: str = MISSING
    description: str = ""
    checkpoint: str | None = None  # the weights to quantize while loading; when absent, those of this name, as they are
    quantization: Quantization = Quantization.none
    bits: float | None = None  # of one weight of a linear layer; the dtype's when absent


@dataclass(frozen=True)
class BackendConfig:
    """What every backend has."""

    name: str = MISSING
    dtype: Dtype = Dtype.bfloat16
    max_model_len: int | None = None  # tokens of the longest request, its answer included; the checkpoint's context when absent


@dataclass(frozen=True)
class TransformersConfig(BackendConfig):
    """The `transformers` backend. Budgets are in tokens. When memory runs out, they are halved and the run goes on."""

    name: str = "transformers"
    device: str = "auto"  # auto, cpu, cuda, cuda:1, ...
    device_map: str | None = None  # accelerate's placement over several GPUs: auto, balanced, ...
    pass_tokens: int = 4096  # tokens in one scoring pass: they keep a device busy, and their activations need little memory
    cache_tokens: int | None = None  # tokens in the key-value cache of one generation batch; when absent, what the device holds
    share_prefixes: bool = True  # off: every full prompt is computed, as a check
    compile: Compile = Compile.auto
    threads: int | None = None  # CPU threads; when absent PyTorch's choice, or for several processes an even share of the cores


@dataclass(frozen=True)
class VllmConfig(BackendConfig):
    """The `vllm` backend. Each replica takes tensor_parallel_size x pipeline_parallel_size devices, and sizes are per replica."""

    name: str = "vllm"
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1  # replicas, fed from one queue
    distributed_executor_backend: str | None = None  # mp, or ray for several nodes
    gpu_memory_utilization: float = 0.9
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    enforce_eager: bool = False
    seed: int = 0
    batch_invariant: bool = False  # slower kernels whose results do not depend on the batch
    share_prefixes: bool = True  # off: every full prompt is computed, as a check
    verify: int = 0  # scoring requests, drawn at random, whose full prompts are computed too and compared
    engine_args: dict[str, Any] = field(default_factory=dict)  # any other argument of the installed vLLM's EngineArgs


@dataclass(frozen=True)
class ServerConfig(BackendConfig):
    """The `server` backend: an endpoint with OpenAI's completions interface. `dtype` states what the server computes in."""

    name: str = "server"
    url: str = "http://localhost:8000/v1"
    served_model: str | None = None  # the server's name for the model; when absent, the only one it lists
    key_variable: str = "OPENAI_API_KEY"  # the environment variable that holds the key, if one is needed; no file holds a key
    concurrency: int = 64  # requests in flight
    timeout: float = 600.0  # seconds for one request
    retries: int = 8  # of one request while the server is away or busy, with growing pauses: three minutes in all
    verify: int = 0  # scoring requests, drawn at random, whose full prompts are computed too and compared
    seed: int = 0  # of that draw


BACKENDS: dict[str, type[BackendConfig]] = {"transformers": TransformersConfig, "vllm": VllmConfig, "server": ServerConfig}


@dataclass(frozen=True)
class DataConfig:
    """Where rows come from: the Hub, unless one of these says otherwise."""

    root: str | None = None  # a folder of dataset repositories, laid out as on the Hub
    samples: bool = False  # the bundled samples instead of any dataset
    lock: str | None = "data.lock"  # the file that keeps the commit of every dataset read from the Hub; null keeps none
    update: bool = False  # take the newest commits instead of those in the lock file or of the run's earlier start


@dataclass(frozen=True)
class TaskImages:
    """How one task's prompts show images (`tasks.<name>.images`). None means: as the run says."""

    limit: int | None = None
    pan_and_scan: bool | None = None
    min_crop_size: int | None = None
    max_crops: int | None = None
    min_ratio: float | None = None

    def within(self, run: ImagesConfig) -> ImagesConfig:
        """The run's settings with this task's in their place."""
        return replace(run, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class ImagesConfig:
    """How prompts show images. The report's pre-trained rows are without Pan & Scan; the thresholds are transformers'."""

    limit: int | None = None  # images in one prompt; a prompt with more drops whole exemplars
    pan_and_scan: bool = False  # a long image is followed by crops along its longer side
    min_crop_size: int = 256  # pixels; no smaller crop is made
    max_crops: int = 4
    min_ratio: float = 1.2  # longer side to shorter side; less elongated images are not cropped
    thumbnails: int = 192  # longest side, in pixels, of the small images kept for the item browser; 0 keeps none


@dataclass(frozen=True)
class SuiteConfig:
    """The tasks of a run."""

    name: str = MISSING
    tasks: list[str] = MISSING
    parts: dict[str, Any] = field(default_factory=dict)  # the suites chosen, by name, and the tasks of each


@dataclass(frozen=True)
class PlanConfig:
    """What `gemma-eval plan` assumes. A run ignores it."""

    difference: float = 0.02  # the difference that the run should be able to show, as a share of the scale: 0.02 is two points
    discordant: float = 0.1  # share of the items whose score changes between two runs; `compare` shows it as gained and lost
    right: float = 0.5  # share of the items that either run gets right, for the unpaired comparison; a half is the worst case
    correlation: float = 0.2  # of the changes within a cluster
    alpha: float = 0.05
    power: float = 0.8
    tokens_per_second: float | None = None  # when absent, as measured in earlier runs of the same model
    memory_gb: float | None = None  # of the device that the run is for; when absent, this machine's


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run."""

    model: ModelConfig = field(default_factory=ModelConfig)
    variant: Variant = Variant.pt
    weights: WeightsConfig = field(default_factory=WeightsConfig)
    backend: BackendConfig = MISSING
    suite: SuiteConfig = field(default_factory=SuiteConfig)
    data: DataConfig = field(default_factory=DataConfig)
    images: ImagesConfig = field(default_factory=ImagesConfig)
    tasks: Any = MISSING  # the settings of every task; once resolved, a tuple of the suite's tasks
    plan: PlanConfig = field(default_factory=PlanConfig)
    plugins: list[str] = field(default_factory=list)
    limit: int | None = None  # items per task, drawn by seed and nested; `tasks.<name>.limit` overrides it
    seed: int = 1234  # draws exemplars, and items under a limit
    sandbox: Sandbox | None = None  # where generated code runs; the task's own setting when absent
    results: str = "results"
    run: str | None = None  # name of the run directory; when absent, made from the choices above
