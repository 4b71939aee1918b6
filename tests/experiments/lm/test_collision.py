"""The collision task: its steps, colours, queries, answers, options and horizon; both the paper's and the easy one."""

from __future__ import annotations

import re
from typing import Any, Literal

import numpy as np
import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments.lm import collision, collision_easy
from rlmem.experiments.lm.collision import CollisionOptions
from rlmem.experiments.lm.collision_easy import CollisionEasyOptions
from rlmem.experiments.lm.generated_stream import Chunk, GeneratedStream, Ints


def read(stream: GeneratedStream, num_steps: int, num_entries: int) -> tuple[Ints, Chunk]:
    """The steps of one row, (step, entry), and the chunk."""
    chunk = stream.next_chunk(num_steps * num_entries)
    assert chunk is not None
    return chunk.inputs[0].reshape(num_steps, num_entries), chunk


@pytest.fixture(scope="module")
def paper() -> tuple[Ints, Chunk]:
    return read(collision.make_streams(collision.PAPER_OPTIONS, "train", 1, 0), 60_000, 8)


def test_entries_are_in_the_order_of_the_paper(paper: tuple[Ints, Chunk]) -> None:
    steps, chunk = paper
    names = np.array(collision.symbol_names(collision.PAPER_OPTIONS))
    assert len(names) == 16 + 16 + 5 + 5
    for entry, pattern in enumerate((r"x\d+", r"y\d+", r"x\d+", r"y\d+", "[a-z]+", "[a-z]+", r"[a-z]+\?", r"[a-z]+\?")):
        seen = set(names[steps[:, entry]])
        assert len(seen) == (16 if entry < 4 else 5)
        assert all(re.fullmatch(pattern, name) for name in seen)
    assert not chunk.is_trained[0].reshape(-1, 8)[:, :7].any()


def test_colours_change_once_in_twenty_steps(paper: tuple[Ints, Chunk]) -> None:
    steps, _ = paper
    is_change = np.diff(steps[:, 4:6], axis=0) != 0
    assert is_change.mean() == pytest.approx(0.05, abs=0.002)
    share = np.bincount(steps[:, 4:6].ravel() - 32) / steps[:, 4:6].size
    assert share == pytest.approx(np.full(5, 0.2), abs=0.03)


def test_four_queries_in_ten_ask_for_the_last_collision(paper: tuple[Ints, Chunk]) -> None:
    steps, _ = paper
    pairs = np.sort(steps[:, 4:6] - 32, axis=1)
    asked = np.sort(steps[:, 6:] - 37, axis=1)
    last = None
    matches = []
    for step, pair, question in zip(steps.tolist(), pairs.tolist(), asked.tolist(), strict=True):
        if step[:2] == step[2:4]:
            last = pair
        if last is not None:
            by_luck = (1 if last[0] == last[1] else 2) / 25
            matches.append((question == last) - (0.4 + 0.6 * by_luck))
    assert np.mean(matches) == pytest.approx(0, abs=0.01)


def test_steps_without_an_answer_are_neither_trained_nor_scored(paper: tuple[Ints, Chunk]) -> None:
    steps, chunk = paper
    is_trained = chunk.is_trained[0].reshape(-1, 8)[:, 7]
    first_collision = int((steps[:, :2] == steps[:, 2:4]).all(1).argmax())
    assert not is_trained[:first_collision].any()
    assert is_trained[-10_000:].mean() > 0.95
    assert (chunk.is_trained == (chunk.item >= 0)).all()


@pytest.mark.parametrize("question", ["last", "last-three", "both"])
def test_reach_is_the_distance_to_the_oldest_collision(question: Literal["last", "last-three", "both"]) -> None:
    options = CollisionEasyOptions(question, grid=4)
    steps, chunk = read(collision_easy.make_streams(options, "train", 1, 0), 3_000, 5)
    collisions = np.flatnonzero((steps[:, :2] == steps[:, 2:4]).all(1))
    reach = chunk.reach[0].reshape(-1, 5)[:, 4]
    is_three = steps[:, 4] == 9 if question == "both" else np.full(3_000, question == "last-three")
    for now in range(200, 3_000):
        back = 3 if is_three[now] else 1
        assert reach[now] == 5 * (now - collisions[collisions <= now][-back]) + 4
    assert set(is_three[200:]) == ({True, False} if question == "both" else {question == "last-three"})


def test_crowded_training_text_keeps_to_the_middle_and_its_answers_hold() -> None:
    options = CollisionEasyOptions(grid=6, crowded=0.5)
    steps, chunk = read(collision_easy.make_streams(options, "train", 1, 3), 30_000, 5)
    chunks = (steps[:, :4] - [0, 6, 0, 6])[: len(steps) // 768 * 768].reshape(-1, 768 * 4)
    is_crowded = ((chunks >= 2) & (chunks <= 3)).all(axis=1)
    assert 0.25 < is_crowded.mean() < 0.75
    assert (chunks[~is_crowded].max(axis=1) == 5).all()
    oracle = collision_easy.CollisionEasyOracle(options, 1)
    answers = oracle.predict(torch.from_numpy(chunk.inputs), torch.from_numpy(chunk.is_first)).numpy()
    assert (answers == chunk.targets)[chunk.is_trained].all()
    assert collision_easy.horizon(options) == collision_easy.horizon(CollisionEasyOptions(grid=6))


def test_reach_of_a_pair_is_the_distance_to_its_collision() -> None:
    options = CollisionOptions(grid=4, num_colours=2)
    steps, chunk = read(collision.make_streams(options, "train", 1, 0), 3_000, 8)
    is_collision = (steps[:, :2] == steps[:, 2:4]).all(1)
    pairs, asked = np.sort(steps[:, 4:6] - 8, axis=1), np.sort(steps[:, 6:] - 10, axis=1)
    reach = chunk.reach[0].reshape(-1, 8)[:, 7]
    for now in range(1_000, 3_000):
        same = np.flatnonzero(is_collision[: now + 1] & (pairs[: now + 1] == asked[now]).all(1))
        assert reach[now] == 8 * (now - same[-1]) + 7


def test_chance_of_quadrants_and_labels() -> None:
    assert collision.chance(CollisionOptions()) == 0.25
    assert collision_easy.chance(CollisionEasyOptions()) == 0.25
    three = collision_easy.chance(CollisionEasyOptions("last-three", grid=4))
    assert 1 / 64 < three < 1 / 4
    assert collision_easy.chance(CollisionEasyOptions("both", grid=4)) == (1 / 4 + three) / 2
    quadrants = read(collision.make_streams(CollisionOptions(grid=4), "test", 1, 1), 30_000, 8)[1]
    shares = np.bincount(quadrants.targets[quadrants.is_trained]) / quadrants.is_trained.sum()
    assert shares == pytest.approx(np.full(4, 0.25), abs=0.04)


def test_target_names() -> None:
    assert len(collision.target_names(CollisionOptions())) == 4
    names = collision_easy.target_names(CollisionEasyOptions("both"))
    assert len(names) == 68
    assert names[3] == "south-east"
    assert names[4 + 16 * 1 + 4 * 2 + 3] == "ne, sw, se"
    assert collision_easy.target_names(CollisionEasyOptions("last-three"))[63] == "se, se, se"


def test_small_defaults_reach_some_hundreds_of_entries_back() -> None:
    measured = collision_easy.horizon(CollisionEasyOptions())
    assert 300 < measured.mean < 700
    assert measured.max > 2_000


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"grid": 5}, "--grid is 5, but its side must be even"),
        ({"velocity": 0.0}, "--velocity is 0.0, but"),
        ({"num_colours": 1}, "--num-colours is 1, but it must be from 2 to 8"),
        ({"num_colours": 9}, "--num-colours is 9, but it must be from 2 to 8"),
        ({"colour_change": 1.5}, "--colour-change is 1.5, but a probability is from 0 to 1"),
        ({"easy_queries": -0.1}, "--easy-queries is -0.1, but a probability is from 0 to 1"),
        ({"eval_symbols": 7}, "--eval-symbols is 7, but a step has 8 symbols"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        CollisionOptions(**wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"question": "first"}, "--question is 'first', but it must be one of last, last-three, both"),
        ({"grid": -2}, "--grid is -2, but its side must be even"),
        ({"velocity": -1.0}, "--velocity is -1.0, but"),
        ({"crowded": -0.1}, "--crowded is -0.1, but a share is from 0 to 1"),
        ({"eval_symbols": 4}, "--eval-symbols is 4, but a step has 5 symbols"),
    ],
)
def test_easy_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        CollisionEasyOptions(**wrong)
