"""What holds for every task whose data is made up: streams, splits, rows, answers, oracles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor

from rlmem.errors import UsageError
from rlmem.experiments.lm import collision, collision_easy, copy_task, instruction
from rlmem.experiments.lm.block import NO_ITEM, Block
from rlmem.experiments.lm.generated_stream import NO_ANSWER, SPLIT_NUMBERS, GeneratedStream, chunk_seed

FIELDS = ("inputs", "targets", "is_trained", "item", "is_first")


@dataclass(frozen=True)
class Case:
    """A task as the tests see it; `long` symbols hold some hundred answers of a row."""

    module: Any
    options: Any
    oracle: type[Any]
    long: int

    def stream(self, split: Any = "train", batch: int = 3, seed: int = 5) -> GeneratedStream:
        stream = self.module.make_streams(self.options, split, batch, seed)
        assert isinstance(stream, GeneratedStream)
        return stream


def easy(question: Any) -> Case:
    options = collision_easy.CollisionEasyOptions(question, grid=4, eval_symbols=7_001)
    return Case(collision_easy, options, collision_easy.CollisionEasyOracle, 9_000)


CASES = {
    "copy": Case(
        copy_task,
        copy_task.CopyOptions(min_count=2, max_count=7, min_distance=3, max_distance=40, eval_symbols=7_001),
        copy_task.CopyOracle,
        12_000,
    ),
    "collision": Case(
        collision,
        collision.CollisionOptions(grid=4, num_colours=3, eval_symbols=7_001),
        collision.CollisionOracle,
        9_000,
    ),
    "last": easy("last"),
    "last-three": easy("last-three"),
    "both": easy("both"),
    "instruction": Case(
        instruction,
        instruction.InstructionOptions(num_characters=120, mean_distance=8, eval_symbols=7_001),
        instruction.InstructionOracle,
        12_000,
    ),
}


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def read(stream: GeneratedStream, *lengths: int) -> dict[str, Tensor]:
    """The next blocks, joined."""
    blocks = [stream.next_block(length) for length in lengths]
    joined = {name: torch.cat([getattr(block, name) for block in blocks], 1) for name in FIELDS}
    assert joined["inputs"].shape == (stream.batch, sum(lengths))
    return joined


def read_all(stream: GeneratedStream, length: int) -> list[Block]:
    """All blocks until the end."""
    blocks = []
    while (block := stream.next_block(length)) is not None:
        blocks.append(block)
    return blocks


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    for name in FIELDS:
        assert torch.equal(first[name], second[name]), name


def test_tensors(case: Case) -> None:
    block = case.stream().next_block(50)
    assert block is not None
    for name, dtype in zip(FIELDS, (torch.int64, torch.int64, torch.bool, torch.int64, torch.bool), strict=True):
        tensor = getattr(block, name)
        assert (tensor.shape, tensor.dtype) == ((3, 50), dtype)
    assert block.is_first[:, 0].all()


def test_block_lengths_do_not_matter(case: Case) -> None:
    whole = read(case.stream(), case.long)
    quarters = read(case.stream(), *[case.long // 4] * 4)
    assert_equal(whole, quarters)
    assert_equal(read(case.stream(), 100), read(case.stream(), 25, 25, 25, 25))
    odd = [1, 2, 777, 4096, 13]
    assert_equal(read(case.stream(), sum(odd)), read(case.stream(), *odd))


@pytest.mark.parametrize("before", [(0,), (1,), (50, 333), (4096,), (5000, 1, 1200)])
def test_goes_on_from_a_saved_state(case: Case, before: tuple[int, ...]) -> None:
    stream = case.stream()
    read(stream, *filter(None, before)) if any(before) else None
    state = {name: tensor.clone() for name, tensor in stream.state().items()}
    expected = read(stream, 600, 5000)
    other = case.stream(seed=99)
    read(other, 123)
    other.load_state(state)
    assert_equal(read(other, 5000, 600), expected)


def test_saved_state_is_not_changed_by_reading_on(case: Case) -> None:
    stream = case.stream()
    read(stream, 1000)
    state = stream.state()
    copy = {name: tensor.clone() for name, tensor in state.items()}
    read(stream, case.long)
    for name, tensor in state.items():
        assert torch.equal(tensor, copy[name]), name


def test_state_of_another_stream_is_refused(case: Case) -> None:
    state = case.stream(batch=2).state()
    with pytest.raises(UsageError, match="resume with the task, the options and the batch size of the saved run"):
        case.stream(batch=3).load_state(state)


def test_a_row_is_the_same_in_any_batch(case: Case) -> None:
    many, few = read(case.stream(batch=4), 5000), read(case.stream(batch=2), 5000)
    assert_equal({name: tensor[:2] for name, tensor in many.items()}, few)


def test_rows_seeds_and_splits_differ(case: Case) -> None:
    streams = [case.stream(split, 2, seed) for split in SPLIT_NUMBERS for seed in (0, 1)]
    rows = [tuple(row) for stream in streams for row in read(stream, 2000)["inputs"].tolist()]
    assert len(set(rows)) == len(rows)


def test_no_two_chunks_share_a_seed() -> None:
    seeds = (0, 1, 2**31, 2**32, 2**32 + 1, 2**63 - 1)
    drawn = [
        tuple(chunk_seed(split, seed, row, chunk).generate_state(4))
        for split, seed, row, chunk in itertools.product(SPLIT_NUMBERS, seeds, range(4), range(4))
    ]
    assert len(set(drawn)) == len(drawn) == 3 * len(seeds) * 16


@pytest.mark.parametrize("split", ["valid", "test"])
@pytest.mark.parametrize("batch", [1, 3])
def test_evaluation_has_its_size(case: Case, split: str, batch: int) -> None:
    blocks = read_all(case.stream(split, batch), 512)
    assert sum(block.inputs.numel() for block in blocks) == 7_001 // batch * batch
    assert {block.inputs.shape[1] for block in blocks[:-1]} == {512}
    endless = read(case.module.make_streams(case.options, "train", batch, 5), 9_000)
    assert endless["inputs"].shape[1] == 9_000


def test_an_ended_stream_goes_on_from_an_earlier_state(case: Case) -> None:
    stream = case.stream("valid", 1)
    read(stream, 3000)
    state = stream.state()
    rest = read_all(stream, 1000)
    assert stream.next_block(1) is None
    stream.load_state(state)
    again = read_all(stream, 1000)
    assert [block.inputs.tolist() for block in again] == [block.inputs.tolist() for block in rest]


def test_answers_that_the_end_cuts_are_not_scored(case: Case) -> None:
    long = case.stream("train", 1).next_chunk(3000)
    assert long is not None
    for length in range(2_900, 3_000):
        chunk = GeneratedStream(case.stream()._rows[0]._source, "train", 1, 5, length).next_chunk(length)
        assert chunk is not None
        is_whole = (long.item[:, :length] != NO_ITEM) & (long.remaining[:, :length] + range(length) < length)
        assert ((chunk.item != NO_ITEM) == is_whole).all()


def test_answers_are_numbered_and_trained(case: Case) -> None:
    blocks = read(case.stream(), case.long)
    for item, is_trained in zip(blocks["item"], blocks["is_trained"], strict=True):
        numbers = item[item != NO_ITEM]
        assert numbers[0] == 0
        assert set(numbers.diff().tolist()) <= {0, 1}
        assert numbers[-1] >= 100
        assert is_trained[item != NO_ITEM].all()
        begins = (item != item.roll(1)) & (item != NO_ITEM)
        assert begins.sum() == numbers[-1] + 1, "an answer's targets lie together"


def test_symbols_and_targets_have_names(case: Case) -> None:
    blocks = read(case.stream(), case.long)
    for key, names in (
        ("inputs", case.module.symbol_names(case.options)),
        ("targets", case.module.target_names(case.options)),
    ):
        assert len(set(names)) == len(names)
        assert blocks[key].min() >= 0
        assert blocks[key].max() < len(names)


def test_the_oracle_answers_all_and_nothing_else(case: Case) -> None:
    stream = case.stream("train", 2)
    oracle = case.oracle(case.options, 2)
    num_right = num = 0
    for length in (1, 63, 1000, case.long):
        block = stream.next_block(length)
        assert block is not None
        predicted = oracle.predict(block.inputs, block.is_first)
        is_scored = block.item != NO_ITEM
        assert ((predicted != NO_ANSWER) == is_scored).all()
        num_right += int((predicted == block.targets)[is_scored].sum())
        num += int(is_scored.sum())
    assert num_right == num
    assert num >= 200


@pytest.mark.parametrize("batch", [0, -1])
def test_a_stream_has_rows(case: Case, batch: int) -> None:
    with pytest.raises(UsageError, match=f"the batch is {batch}, but a stream has at least 1 row"):
        case.stream(batch=batch)


def test_evaluation_is_refused_where_rows_are_empty(case: Case) -> None:
    with pytest.raises(UsageError, match="raise --eval-symbols or take fewer rows"):
        case.stream("test", 7_002)
    assert case.stream("test", 7_001).length == 1


def test_seeds_splits_and_lengths_that_cannot_be(case: Case) -> None:
    for seed in (-1, 1 << 63):
        with pytest.raises(UsageError, match=f"the seed is {seed}, but"):
            case.stream(seed=seed)
    with pytest.raises(UsageError, match="the split 'dev' is unknown; take one of train, valid, test"):
        case.stream("dev")
    with pytest.raises(UsageError, match="a block of 0 symbols"):
        case.stream().next_block(0)
