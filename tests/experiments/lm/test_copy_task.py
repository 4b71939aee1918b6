"""The copy task: what a story looks like, its options, chance and horizon."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm.copy_task import (
    PAPER_OPTIONS,
    CopyOptions,
    chance,
    horizon,
    make_streams,
    symbol_names,
    target_names,
)

OPTIONS = CopyOptions(min_count=2, max_count=5, min_distance=3, max_distance=9, eval_symbols=100)


def test_stories_are_as_documented() -> None:
    block = make_streams(OPTIONS, "train", 1, 0).next_block(40_000)
    assert block is not None
    text = "".join("ABCE"[symbol] for symbol in block.inputs[0].tolist())
    stories = re.findall("[^E]+E", text)
    lengths = Counter((len(story.split("B")[0]), story.count("B")) for story in stories)
    assert set(lengths) == {(count, distance) for count in range(2, 6) for distance in range(3, 10)}
    assert all(50 < num < 120 for num in lengths.values()), "28 pairs, about 86 stories each"
    assert all(re.fullmatch(r"(A+)B+C\1E", story) for story in stories)


def test_one_story_symbol_by_symbol() -> None:
    block = make_streams(OPTIONS, "train", 1, 3).next_block(200)
    assert block is not None
    begins = block.is_first[0].nonzero()[:, 0].tolist()
    one = slice(begins[1], begins[2])
    inputs, targets = block.inputs[0, one].tolist(), block.targets[0, one].tolist()
    names = [symbol_names(OPTIONS)[symbol] for symbol in inputs]
    asked = names.index("copy")
    count = names.index("B")
    assert names == ["A"] * count + ["B"] * (asked - count) + ["copy"] + ["A"] * count + ["end"]
    assert [target_names(OPTIONS)[target] for target in targets[asked:]] == ["A"] * count + ["end", "A"]
    expected = [False] * asked + [True] * (count + 1) + [False]
    assert block.is_trained[0, one].tolist() == expected
    assert (block.item[0, one] == 1).tolist() == expected


def test_chance_is_the_best_constant_answer() -> None:
    chunk = make_streams(OPTIONS, "train", 1, 0).next_chunk(40_000)
    assert chunk is not None
    counts = Counter(chunk.remaining[chunk.reach > 0].tolist())
    commonest = max(counts.values()) / counts.total()
    assert chance(OPTIONS) == 1 / 4 == pytest.approx(commonest, abs=0.02)
    assert chance(CopyOptions(min_count=1, max_count=8)) == 1 / 8


def test_horizon_is_from_the_question_to_the_first_a() -> None:
    measured = horizon(OPTIONS)
    assert measured.max == 5 + 9
    assert measured.mean == pytest.approx(3.5 + 6, abs=0.5)
    fixed = CopyOptions(1, 2, min_distance=1000, max_distance=1000)
    assert horizon(fixed).max == 1002
    assert 1001 < horizon(fixed).mean < 1002


def test_paper_reaches_back_128_thousand() -> None:
    assert 120_000 < horizon(PAPER_OPTIONS).max <= 128_000 + PAPER_OPTIONS.max_count
    assert PAPER_OPTIONS.max_distance + PAPER_OPTIONS.max_count <= 131_072


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"min_count": 0}, "--min-count is 0, but a story begins with at least 1 A"),
        ({"min_count": 4}, "--max-count is 4, but it must be above --min-count"),
        ({"max_count": 0}, "--max-count is 0, but it must be above --min-count"),
        ({"min_distance": 0}, "--min-distance is 0, but it must be at least 1"),
        ({"max_distance": 199}, "--max-distance is 199, but it must be at least --min-distance"),
        ({"eval_symbols": 409}, "--eval-symbols is 409, but the longest story has 410 symbols"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        CopyOptions(**wrong)
