"""What gemma_eval adds to vLLM's workers: they tell how the layers that they loaded are stored.

vLLM mixes the class into its own (`worker_extension_cls`) and calls its methods by name, also in other processes and on other nodes.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from gemma_eval.checkpoint.quantization import UNQUANTIZED

QUANTIZED = "quantized"  # in the way that the engine's configuration names


class LayerReport:
    """A mixin of vLLM's worker."""

    model_runner: Any

    def gemma_eval_linear_layers(self) -> dict[str, int]:
        """How many linear layers of this worker's part of the language model are quantized, and how many are not."""
        from vllm.model_executor.layers.linear import LinearBase, UnquantizedLinearMethod

        layers = (layer for name, layer in self.model_runner.get_model().named_modules() if "vision" not in name)
        methods = (layer.quant_method for layer in layers if isinstance(layer, LinearBase))
        return dict(Counter(UNQUANTIZED if isinstance(method, UnquantizedLinearMethod) else QUANTIZED for method in methods))
