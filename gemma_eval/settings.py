"""The schema of every setting but the tasks' own: which keys exist and which types they have. Values live in `conf/`."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from omegaconf import MISSING


class Sandbox(Enum):
    """What generated code runs in."""

    bubblewrap = "bubblewrap"
    subprocess = "subprocess"


class Variant(Enum):
    pt = "pt"
    it = "it"


class Dtype(Enum):
    """What weights and activations are computed in. Not float16: activations of Gemma 3 exceed its range."""

    bfloat16 = "bfloat16"
    float32 = "float32"


class Compile(Enum):
    auto = "auto"
    on = "on"
    off = "off"


class Quantization(Enum):
    """How weights are stored: as the checkpoint says, or made smaller while they are loaded."""

    none = "none"
    fp8 = "fp8"
    bnb_int8 = "bnb_int8"
    bnb_nf4 = "bnb_nf4"
    torchao_int8 = "torchao_int8"  # weights alone
    torchao_int8_dynamic = "torchao_int8_dynamic"  # activations too
    torchao_int4 = "torchao_int4"
    compressed_tensors = "compressed_tensors"  # stored so in the checkpoint


@dataclass
class CheckpointRef:
    """Where a checkpoint comes from: a Hub repository (or a GGUF file there), or a GGUF file inside an installed Python package."""

    repo: str | None = None
    revision: str | None = None
    gguf: str | None = None  # name of the file in the repository, as a pattern
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
    checkpoint: str | None = None  # the weights to quantize while loading; those of this name as they are when absent
    quantization: Quantization = Quantization.none
    bits: float | None = None  # a weight of a linear layer; the dtype's when absent


@dataclass
class BackendConfig:
    name: str = MISSING
    dtype: Dtype = Dtype.bfloat16  # float16 is not offered: Gemma 3 overflows in it (transformers#36822)
    max_model_len: int | None = None  # tokens of the longest request, its answer included; the checkpoint's context when absent


@dataclass
class TransformersConfig(BackendConfig):
    """The `transformers` backend. Budgets are in tokens; on out-of-memory they halve and the run goes on."""

    name: str = "transformers"
    device: str = "auto"  # auto, cpu, cuda, cuda:1, ...
    device_map: str | None = None  # accelerate's placement over several GPUs: auto, balanced, ...
    pass_tokens: int = 4096  # tokens in one scoring pass: enough to keep a device busy, few enough that activations need little memory
    cache_tokens: int | None = None  # tokens in the key-value cache of one generation batch; chosen by device when absent
    share_prefixes: bool = True  # off: every continuation is computed from the first token on, as a check
    compile: Compile = Compile.auto  # torch.compile; auto: once enough of the plan is left for it to pay
    threads: int | None = None  # CPU threads; PyTorch's choice when absent, of several processes an even share of the cores


@dataclass
class VllmConfig(BackendConfig):
    """The `vllm` backend. Sizes are per replica; one replica takes tensor_parallel_size x pipeline_parallel_size devices."""

    name: str = "vllm"
    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    data_parallel_size: int = 1  # engines of their own, fed from one queue
    distributed_executor_backend: str | None = None  # mp, or ray for several nodes
    gpu_memory_utilization: float = 0.9
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    enforce_eager: bool = False
    seed: int = 0
    batch_invariant: bool = False  # slower kernels whose results do not depend on the batch
    share_prefixes: bool = True  # off: every continuation is computed from the first token on, as a check
    verify: int = 0  # scoring requests, chosen at random, that are also computed without the prefix cache and compared
    engine_args: dict[str, Any] = field(default_factory=dict)  # any other argument of the installed vLLM's EngineArgs


@dataclass
class ServerConfig(BackendConfig):
    """The `server` backend: an endpoint with OpenAI's completions interface. `dtype` is what the server computes in."""

    name: str = "server"
    url: str = "http://localhost:8000/v1"
    served_model: str | None = None  # the server's name for the model; the only one it lists when absent
    key_variable: str = "OPENAI_API_KEY"  # environment variable that holds the key, if one is needed; keys stand in no file
    concurrency: int = 64  # requests in flight
    timeout: float = 600.0  # seconds for one request
    retries: int = 8  # of one request, with growing pauses (three minutes in all), while the server is away or busy
    verify: int = 0  # scoring requests, chosen at random, that are also computed in full and compared
    seed: int = 0  # of that choice


BACKENDS: dict[str, type[BackendConfig]] = {"transformers": TransformersConfig, "vllm": VllmConfig, "server": ServerConfig}


@dataclass
class DataConfig:
    root: str | None = None  # a folder of dataset repositories laid out as on the Hub
    samples: bool = False  # the bundled items instead of any dataset


@dataclass
class TaskImages:
    """How images stand in one task's prompts (`tasks.<name>.images`). What is None is the run's."""

    limit: int | None = None
    pan_and_scan: bool | None = None
    min_crop_size: int | None = None
    max_crops: int | None = None
    min_ratio: float | None = None

    def within(self, run: ImagesConfig) -> ImagesConfig:
        return replace(run, **{name: value for name, value in asdict(self).items() if value is not None})


@dataclass
class ImagesConfig:
    """How images stand in prompts. The report's rows of pre-trained models are without Pan & Scan; the thresholds are transformers'."""

    limit: int | None = None  # images in one prompt; a prompt with more drops whole exemplars
    pan_and_scan: bool = False  # after a long image, crops along its longer side
    min_crop_size: int = 256  # pixels; smaller crops are not made
    max_crops: int = 4
    min_ratio: float = 1.2  # of the sides, from which on an image is cropped
    thumbnails: int = 192  # pixels, at most, of a side of the pictures kept for the item browser; 0 keeps none


@dataclass
class SuiteConfig:
    name: str = MISSING
    tasks: list[str] = MISSING
    parts: dict[str, Any] = field(default_factory=dict)  # the suites that this one joins: see conf/suite/card_all.yaml


@dataclass
class PlanConfig:
    """What `gemma-eval plan` takes for granted; a run ignores it."""

    difference: float = 0.02  # that the run should be able to show, as a share of the scale: 0.02 is two points
    discordant: float = 0.1  # items whose score changes between the two runs; `compare` shows gained and lost of earlier ones
    right: float = 0.5  # items either run gets right, for the unpaired comparison; a half is the worst case
    correlation: float = 0.2  # of the changes within a cluster
    alpha: float = 0.05
    power: float = 0.8
    tokens_per_second: float | None = None  # measured in earlier runs of the same model when absent
    memory_gb: float | None = None  # of the device the run is for; this machine's when absent


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
    plan: PlanConfig = field(default_factory=PlanConfig)
    plugins: list[str] = field(default_factory=list)
    limit: int | None = None  # items per task, a seeded nested choice; `tasks.<name>.limit` overrides it
    seed: int = 1234  # exemplars and limits
    sandbox: Sandbox | None = None  # where generated code runs; fills `tasks.<name>.sandbox`, bubblewrap when absent
    results: str = "results"
    run: str | None = None  # name of the run directory; made from the choices above when absent
