"""Forwards of the model's body under tree attention."""

from __future__ import annotations

from typing import Any

import torch

from gemma_eval.backends.transformers.tree_attention import KeyValues, TreeContext
from gemma_eval.plan import Layout, Pass, Tree, lay_out


@torch.inference_mode()
def forward_pass(
    model: Any, tree: Tree, step: Pass, path: list[dict[int, KeyValues]], keep: bool
) -> tuple[torch.Tensor, dict[int, KeyValues], Layout]:
    """One planned pass: last hidden states [tokens, hidden size], with `keep` the keys and values by layer, and the layout."""
    layout = lay_out(tree, step.nodes)
    depth = torch.from_numpy(layout.depth).long().to(model.device)
    end = torch.from_numpy(layout.end).long().to(model.device)
    context = TreeContext(depth, end, path, keep=keep)
    return run_body(model, torch.from_numpy(layout.ids).long(), depth, context), context.kept, layout


@torch.inference_mode()
def run_body(model: Any, ids: torch.Tensor, depth: torch.Tensor, context: Any) -> torch.Tensor:
    """Last hidden states [tokens, hidden size] of `ids` [tokens] at positions `depth`, under an attention context."""
    body = model.get_decoder()
    device = model.get_input_embeddings().weight.device
    output = body(
        input_ids=ids[None].to(device),
        position_ids=depth[None].to(device),
        attention_mask=_no_mask(body),
        use_cache=False,
        tree=context,
    )
    return output.last_hidden_state[0]  # type: ignore[no-any-return]


def _no_mask(body: Any) -> Any:
    """Keeps transformers from building masks that tree attention replaces: models with layer types take a mask for each."""
    types = getattr(body.config, "layer_types", None)
    return dict.fromkeys(types) if types else torch.ones(1, 1, 1, 1, dtype=torch.bool)
