"""Answers against a slow count that sees the whole stream at once."""

from __future__ import annotations

import pytest
import torch

from rlmem.experiments.lm.block import NO_ITEM
from rlmem.experiments.lm.item_score import ItemScore


@pytest.mark.parametrize("block", [1, 3, 7, 60])
def test_answers_across_blocks(block: int) -> None:
    generator = torch.Generator().manual_seed(0)
    item = torch.randint(0, 3, (4, 60), generator=generator).eq(0).long().cumsum(1)  # answers of varied lengths
    item = item.where(torch.rand(4, 60, generator=generator) < 0.7, NO_ITEM)
    item[3] = NO_ITEM  # a row without answers
    is_right = torch.rand(4, 60, generator=generator) < 0.8
    score = ItemScore(4)
    for part, right in zip(item.split(block, dim=1), is_right.split(block, dim=1), strict=True):
        score.add(part, right)
    score.finish()
    answers = {(row, int(number)) for row in range(4) for number in item[row] if number != NO_ITEM}
    right = [bool(is_right[row][item[row] == number].all()) for row, number in answers]
    assert (score.num_items, score.num_right) == (len(answers), sum(right))
    assert 0 < sum(right) < len(right)
    score.finish()
    assert score.num_items == len(answers)


def test_one_wrong_target_spoils_an_answer_in_the_next_block_too() -> None:
    for wrong in (0, 3):
        score, is_right = ItemScore(1), torch.ones(1, 4, dtype=torch.bool)
        is_right[0, wrong] = False
        for part in range(2):
            score.add(torch.full((1, 2), 7), is_right[:, 2 * part : 2 * part + 2])
        score.finish()
        assert (score.num_items, score.num_right) == (1, 0)
