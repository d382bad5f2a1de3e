"""The keys and values of rows being decoded: every layer has the tokens its window lets a row see, each where `held` says."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from gemma_eval.backends.transformers.decode_attention import Slots
from gemma_eval.backends.transformers.tree_attention import KeyValues

WINDOWS = (None, 64, 100)  # by layer


def numbered(tokens: range) -> KeyValues:
    """Keys and values that are the tokens' own numbers."""
    numbers = torch.tensor(tokens, dtype=torch.float32)[None, None, :, None]
    return KeyValues(numbers.expand(1, 2, -1, 3), numbers.expand(1, 2, -1, 3), None)


@given(
    arrivals=st.lists(st.tuples(st.lists(st.integers(1, 260), min_size=1, max_size=3), st.integers(0, 80)), min_size=1, max_size=3),
    leave=st.booleans(),
)
def test_a_layer_holds_what_its_window_shows(arrivals: list[tuple[list[int], int]], leave: bool) -> None:
    slots, lengths = Slots(), []
    for prompts, steps in arrivals:
        slots.add([{i: numbered(range(n))._replace(window=window) for i, window in enumerate(WINDOWS)} for n in prompts])
        lengths += prompts
        for _ in range(steps if lengths else 0):
            slots.grow()
            newest = torch.tensor(lengths, dtype=torch.float32)[:, None, None].expand(-1, 2, 3)
            for layer in range(len(WINDOWS)):
                slots.write(layer, newest, newest)
            lengths = [length + 1 for length in lengths]
        if leave:
            stay = [i % 3 != 1 and i > 0 for i in range(len(lengths))]
            order = slots.keep(stay)
            assert sorted(order) == [i for i, stays in enumerate(stay) if stays]
            lengths = [lengths[i] for i in order]
    if not lengths:
        return
    slots.grow()
    for layer, window in enumerate(WINDOWS):
        newest = torch.tensor(lengths, dtype=torch.float32)[:, None, None].expand(-1, 2, 3)
        keys, values = slots.write(layer, newest, newest)
        held = slots.held(window)
        for row, length in enumerate(lengths):
            there = held[row] >= 0
            assert set(range(max(0, length + 1 - (window or length + 1)), length + 1)) <= set(held[row][there].tolist())
            for number in (keys[row, :, :, there], values[row, :, there].transpose(1, 2)):
                assert (number == held[row][there]).all()
