"""Streams of text: what is read, what is predicted, and going on from a saved place."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlmem.errors import UsageError
from rlmem.experiments.lm.block import NO_ITEM, Block, Split
from rlmem.experiments.lm.text_files import TextDataError
from rlmem.experiments.lm.text_stream import TextStream
from rlmem.experiments.lm.tokeniser import Symbols


def text(length: int) -> Symbols:
    """A text whose symbols are their own places."""
    return np.arange(length, dtype=np.uint16)


def read(stream: TextStream, length: int) -> list[Block]:
    blocks = []
    while (block := stream.next_block(length)) is not None:
        blocks.append(block)
    return blocks


def test_training_goes_round() -> None:
    stream = TextStream(text(10), 10, "train", 2, seed=0)
    blocks = [stream.next_block(4) for _ in range(10)]
    inputs = torch.cat([block.inputs for block in blocks if block], 1)
    first = int(inputs[0, 0])
    assert torch.equal(inputs[0], (first + torch.arange(40)) % 10)
    assert torch.equal(inputs[1], (first + 5 + torch.arange(40)) % 10)
    is_seam = inputs == 9
    for block in blocks:
        assert block is not None
        assert torch.equal(block.targets, (block.inputs + 1) % 10)
        assert torch.equal(block.is_trained, block.inputs != 9)
        assert not block.is_first.any()
    items = torch.cat([block.item for block in blocks if block], 1)
    assert torch.equal(items, torch.where(is_seam, NO_ITEM, torch.arange(40)))


def test_the_seed_draws_the_first_place_in_training_alone() -> None:
    def begin(split: Split, seed: int) -> list[int]:
        block = TextStream(text(1000), 1000, split, 3, seed).next_block(5)
        assert block is not None
        return block.inputs[:, 0].tolist()

    assert begin("train", 1) == begin("train", 1) != begin("train", 2)
    assert begin("valid", 1) == begin("valid", 2) == [0, 333, 666]


@settings(max_examples=60, deadline=None)
@given(length=st.integers(2, 80), batch=st.integers(1, 12), block=st.integers(1, 20))
def test_each_symbol_but_the_first_is_predicted_exactly_once(length: int, batch: int, block: int) -> None:
    rows = min(batch, length - 1)
    block = min(block, (length - 1 + rows - 1) // rows)
    blocks = read(TextStream(text(length), length, "test", rows, seed=0), block)
    joined = {one.name: torch.cat([getattr(each, one.name) for each in blocks], 1) for one in fields(Block)}
    is_scored = joined["item"] != NO_ITEM
    assert sorted(joined["targets"][is_scored].tolist()) == list(range(1, length))
    assert torch.equal(joined["targets"][is_scored], joined["inputs"][is_scored] + 1)
    assert torch.equal(joined["is_trained"], is_scored)
    assert not joined["inputs"][~is_scored].any()
    assert (~is_scored).sum(1).max() <= 1
    for row in range(rows):
        items = joined["item"][row][is_scored[row]]
        assert torch.equal(items, torch.arange(len(items)))
        assert (joined["inputs"][row][is_scored[row]].diff() == 1).all()
    assert [each.inputs.shape[1] for each in blocks[:-1]] == [block] * (len(blocks) - 1)
    assert {tensor.dtype for name, tensor in joined.items() if name in ("inputs", "targets", "item")} == {torch.int64}


@pytest.mark.parametrize("split", ["train", "valid"])
def test_going_on_from_a_saved_place_is_exact(split: Split) -> None:
    stream = TextStream(text(101), 101, split, 3, seed=4)
    stream.next_block(7)
    state = {name: tensor.clone() for name, tensor in stream.state().items()}
    rest = [stream.next_block(7) for _ in range(6)]
    other = TextStream(text(101), 101, split, 3, seed=5)
    other.next_block(2)
    other.load_state(state)
    for expected, block in zip(rest, [other.next_block(7) for _ in range(6)], strict=True):
        assert (block is None) == (expected is None)
        if block is not None and expected is not None:
            assert all(torch.equal(getattr(block, one.name), getattr(expected, one.name)) for one in fields(Block))
    assert all(torch.equal(tensor, other.state()[name]) for name, tensor in stream.state().items())


def test_a_saved_place_of_other_data() -> None:
    state = TextStream(text(101), 101, "train", 3, seed=0).state()
    with pytest.raises(UsageError, match="has 100 symbols, but 101 when the checkpoint was made"):
        TextStream(text(100), 100, "train", 3, seed=0).load_state(state)
    with pytest.raises(UsageError, match="the checkpoint has 3 rows of the train split, but this run 4"):
        TextStream(text(101), 101, "train", 4, seed=0).load_state(state)


@pytest.mark.parametrize("split", ["train", "valid"])
def test_blocks_that_cannot_be(split: Split) -> None:
    stream = TextStream(text(20), 20, split, 4, seed=0)
    for length, message in [
        (0, "a block of 0 symbols cannot be"),
        (21, f"a block of 21 symbols is longer than the whole {split} split, which has 20"),
        (6, f"a block of 6 symbols is longer than a row: each of the 4 rows has 5 of the {split} split's 20"),
    ]:
        with pytest.raises(UsageError, match=message):
            stream.next_block(length)
    assert stream.next_block(5) is not None


@pytest.mark.parametrize(
    ("length", "batch", "message"),
    [(5, 0, "the batch is 0 rows"), (5, 5, "5 symbols, too few for a batch of 5"), (0, 1, "0 symbols, too few")],
)
def test_rows_that_cannot_be(length: int, batch: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TextStream(text(length), length, "train", batch, seed=0)


def test_a_symbol_that_is_none() -> None:
    damaged = np.array([0, 1, 2, 9, 3, 4, 5, 6], np.uint8)
    stream = TextStream(damaged, 7, "test", 1, seed=0)
    stream.next_block(2)
    with pytest.raises(TextDataError, match="symbol 9, but the vocabulary has 7 of them: its token cache is damaged"):
        stream.next_block(2)
