"""The schema of every setting but the tasks' own: which keys exist, and their types. Values live in `conf/`.

A field's type states the range of its values (`gemma_eval.ranges`).
Settings are composed and resolved once (`gemma_eval.config`), and immutable from then on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Annotated, Any

from omegaconf import MISSING, DictConfig

from gemma_eval.ranges import (
    Count,
    FilePath,
    FolderName,
    Natural,
    Positive,
    Seed,
    Share,
    Text,
    Words,
    above,
    at_least,
    between,
    one_of,
    pattern,
)

DEVICE_MAPS = ("auto", "balanced", "balanced_low_0", "sequential")

Units = Annotated[int, between(1, 4096)]  # devices or cores
Retries = Annotated[int, between(0, 100)]
Crops = Annotated[int, at_least(2)]  # one crop would be the image itself
Ratio = Annotated[float, between(1, 1000)]
Address = Annotated[str, pattern(r"https?://[^\s/]+\S*", "an address such as http://localhost:8000/v1", secret=True)]  # may hold a password
VariableName = Annotated[str, pattern(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable, never the key itself", secret=True)]


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

    repo: Text | None = None
    revision: Text | None = None
    gguf: Text | None = None  # name of the file in the repository, as a pattern
    package: Text | None = None
    sha256: Text | None = None


@dataclass(frozen=True)
class ModelConfig:
    """A Gemma 3 size and its checkpoints, or with `path` any local checkpoint."""

    size: Text = MISSING
    context_length: Count = MISSING
    sliding_window: Natural = MISSING
    vision: bool = MISSING
    checkpoints: dict[str, Any] = MISSING  # weights -> variant -> the fields of a CheckpointRef
    path: FilePath | None = None  # a local checkpoint, used instead
    revision: Text | None = None  # a commit, tag or branch of the checkpoint's Hub repository, instead of the one that `checkpoints` says


@dataclass(frozen=True)
class WeightsConfig:
    """Which weights are scored."""

    name: Text = MISSING
    description: Words = ""
    checkpoint: Text | None = None  # the weights to quantize while loading; when absent, those of this name, as they are
    quantization: Quantization = Quantization.none
    bits: Annotated[float, above(0, 32)] | None = None  # of one weight of a linear layer; the dtype's when absent


@dataclass(frozen=True)
class BackendConfig:
    """What every backend has."""

    name: Text = MISSING
    dtype: Dtype = Dtype.bfloat16
    max_model_len: Count | None = None  # tokens of the longest request, its answer included; the checkpoint's context when absent


@dataclass(frozen=True)
class TransformersConfig(BackendConfig):
    """The `transformers` backend. Budgets are in tokens. When memory runs out, they are halved and the run goes on."""

    name: str = "transformers"
    device: Annotated[str, pattern(r"(auto|cpu|mps|(cuda|xpu)(:\d{1,3})?)", "auto, cpu, cuda, cuda:1, ...")] = "auto"
    device_map: Annotated[str, one_of(*DEVICE_MAPS)] | None = None  # accelerate's placement over several GPUs
    pass_tokens: Count = 4096  # tokens in one scoring pass: they keep a device busy, and their activations need little memory
    cache_tokens: Count | None = None  # tokens in the key-value cache of one generation batch; when absent, what the device holds
    share_prefixes: bool = True  # off: every full prompt is computed, as a check
    compile: Compile = Compile.auto
    threads: Annotated[int, between(1, 4096)] | None = (
        None  # CPU threads; when absent PyTorch's choice, or for several processes an even share of the cores
    )


@dataclass(frozen=True)
class VllmConfig(BackendConfig):
    """The `vllm` backend. Each replica takes tensor_parallel_size x pipeline_parallel_size devices, and sizes are per replica."""

    name: str = "vllm"
    tensor_parallel_size: Units = 1
    pipeline_parallel_size: Units = 1
    data_parallel_size: Units = 1  # replicas, fed from one queue
    distributed_executor_backend: Text | None = None  # mp, or ray for several nodes
    gpu_memory_utilization: Annotated[float, above(0, 1)] = 0.9
    quantization: Text | None = None
    kv_cache_dtype: Text = "auto"
    enforce_eager: bool = False
    seed: Seed = 0
    batch_invariant: bool = False  # slower kernels whose results do not depend on the batch
    share_prefixes: bool = True  # off: every full prompt is computed, as a check
    verify: Natural = 0  # scoring requests, drawn at random, whose full prompts are computed too and compared
    engine_args: dict[str, Any] = field(default_factory=dict)  # any other argument of the installed vLLM's EngineArgs


@dataclass(frozen=True)
class ServerConfig(BackendConfig):
    """The `server` backend: an endpoint with OpenAI's completions interface. `dtype` states what the server computes in."""

    name: str = "server"
    url: Address = "http://localhost:8000/v1"
    served_model: Text | None = None  # the server's name for the model; when absent, the only one it lists
    key_variable: VariableName = "OPENAI_API_KEY"  # the environment variable that holds the key, if one is needed; no file holds a key
    concurrency: Annotated[int, between(1, 65_536)] = 64  # requests in flight
    timeout: Annotated[float, above(0, 604_800)] = 600.0  # seconds for one request; at most a week
    retries: Annotated[int, between(0, 100)] = (
        8  # of one request while the server is away or busy, with growing pauses: three minutes in all
    )
    verify: Natural = 0  # scoring requests, drawn at random, whose full prompts are computed too and compared
    seed: Seed = 0  # of that draw


BACKENDS: dict[str, type[BackendConfig]] = {"transformers": TransformersConfig, "vllm": VllmConfig, "server": ServerConfig}


@dataclass(frozen=True)
class DataConfig:
    """Where rows come from: the Hub, unless one of these says otherwise."""

    root: FilePath | None = None  # a folder of dataset repositories, laid out as on the Hub
    samples: bool = False  # the bundled samples instead of any dataset
    lock: FilePath | None = "data.lock"  # the file that keeps the commit of every dataset read from the Hub; null keeps none
    update: bool = False  # take the newest commits instead of those in the lock file or of the run's earlier start


@dataclass(frozen=True)
class TaskImages:
    """How one task's prompts show images (`tasks.<name>.images`). None means: as the run says."""

    limit: Count | None = None
    pan_and_scan: bool | None = None
    min_crop_size: Count | None = None
    max_crops: Crops | None = None
    min_ratio: Ratio | None = None

    def within(self, run: ImagesConfig) -> ImagesConfig:
        """The run's settings with this task's in their place."""
        return replace(run, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass(frozen=True)
class ImagesConfig:
    """How prompts show images. The report's pre-trained rows are without Pan & Scan; the thresholds are transformers'."""

    limit: Count | None = None  # images in one prompt; a prompt with more drops whole exemplars
    pan_and_scan: bool = False  # a long image is followed by crops along its longer side
    min_crop_size: Count = 256  # pixels; no smaller crop is made
    max_crops: Crops = 4
    min_ratio: Ratio = 1.2  # longer side to shorter side; less elongated images are not cropped
    thumbnails: Natural = 192  # longest side, in pixels, of the small images kept for the item browser; 0 keeps none


@dataclass(frozen=True)
class SuiteConfig:
    """The tasks of a run."""

    name: Text = MISSING
    tasks: list[Text] = MISSING
    parts: dict[str, Any] = field(default_factory=dict)  # the suites chosen, by name, and the tasks of each


@dataclass(frozen=True)
class PlanConfig:
    """What `gemma-eval plan` assumes. A run ignores it."""

    difference: Share = 0.02  # the difference that the run should be able to show, as a share of the scale: 0.02 is two points
    discordant: Share = 0.1  # share of the items whose score changes between two runs; `compare` shows it as gained and lost
    right: Share = 0.5  # share of the items that either run gets right, for the unpaired comparison; a half is the worst case
    correlation: Annotated[float, between(0, 1)] = 0.2  # of the changes within a cluster
    alpha: Share = 0.05
    power: Share = 0.8
    tokens_per_second: Positive | None = None  # when absent, as measured in earlier runs of the same model
    memory_gb: Positive | None = None  # of the device that the run is for; when absent, this machine's


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
    plugins: list[FilePath] = field(default_factory=list)
    limit: Count | None = None  # items per task, drawn by seed and nested; `tasks.<name>.limit` overrides it
    seed: Seed = 1234  # draws exemplars, and items under a limit
    sandbox: Sandbox | None = None  # where generated code runs; the task's own setting when absent
    results: FilePath = "results"
    run: FolderName | None = None  # name of the run directory; when absent, made from the choices above
