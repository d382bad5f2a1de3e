"""Forward passes of the model without its output head, under tree attention."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from gemma_eval.backends.transformers.image_embeddings import ImageEmbeddings
from gemma_eval.backends.transformers.tree_attention import ROUND, KeyValues, TreeContext
from gemma_eval.plan.passes import Layout, Pass, lay_out
from gemma_eval.plan.tree import Tree


@torch.inference_mode()
def forward_pass(
    model: Any, tree: Tree, step: Pass, path: list[dict[int, KeyValues]], keep: bool, images: ImageEmbeddings | None = None
) -> tuple[torch.Tensor, dict[int, KeyValues], Layout]:
    """One planned pass: last hidden states [tokens, hidden size], with `keep` the keys and values by layer, and the layout.

    `path`: keys and values of the kept nodes above it. `images`: the images of the tree, by number.
    """
    layout = lay_out(tree, step.nodes)
    length = len(layout.ids)
    padding = -length % ROUND
    ids = functional.pad(torch.from_numpy(layout.ids).long(), (0, padding))
    depth = functional.pad(torch.from_numpy(layout.depth).long(), (0, padding), value=int(layout.depth[0]))
    alone = torch.arange(length, length + padding) + 1  # a padding token sees itself and the path
    end, until = (torch.cat([torch.from_numpy(bounds).long(), alone]) for bounds in (layout.end, layout.until))
    context = TreeContext(depth, end, until, path, keep=keep)
    hidden = run_body(model, ids, depth.to(model.device), context, images)
    kept = {layer: own.at(slice(length)) for layer, own in context.kept.items()}
    return hidden[:length], kept, layout


@torch.inference_mode()
def run_body(model: Any, ids: torch.Tensor, depth: torch.Tensor, context: Any, images: ImageEmbeddings | None = None) -> torch.Tensor:
    """Last hidden states [tokens, hidden size] of `ids` [tokens] at positions `depth` [tokens], under an attention context."""
    body = model.get_decoder()
    device = model.get_input_embeddings().weight.device
    inputs = {"inputs_embeds": images.embed(model, ids[None])} if images else {"input_ids": ids[None].to(device)}
    output = body(
        **inputs,
        position_ids=depth[None].to(device),
        attention_mask=_no_mask(body),
        use_cache=False,
        tree=context,
    )
    return output.last_hidden_state[0]  # type: ignore[no-any-return]


def _no_mask(body: Any) -> Any:
    """A mask that keeps transformers from building those that tree attention replaces. Models with layer types take one for each."""
    types = getattr(body.config, "layer_types", None)
    return dict.fromkeys(types) if types else torch.ones(1, 1, 1, 1, dtype=torch.bool)
