"""The L of equal average memory against what a model is measured to have."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rlmem.experiments.lm.block import Block
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.lm.train_command import parse_language_train
from rlmem.experiments.lm.training_run import evaluate_split, make_model
from rlmem.experiments.reproduce.equal_memory import count_ages, equal_length

_WORDS = "copy --memory transformer_xl --eval-symbols 1000 --eval-rows 4 --min-distance 5 --max-distance 30 --model 8"
WORDS = _WORDS.split()


class Stories:
    """Two rows of 300 symbols; a story begins wherever it is said."""

    batch = 2

    def __init__(self, firsts: list[tuple[int, int]]) -> None:
        self.is_first = torch.zeros(2, 300, dtype=torch.bool)
        for row, step in firsts:
            self.is_first[row, step] = True

    def next_block(self, length: int) -> Block | None:
        part, self.is_first = self.is_first[:, :length], self.is_first[:, length:]
        nothing = torch.zeros(part.shape, dtype=torch.int64)
        return Block(nothing, nothing, part, nothing, part) if part.shape[1] else None


def test_ages() -> None:
    counts = count_ages(Stories([(0, 0), (0, 100), (1, 299)]))  # type: ignore[arg-type]
    ages = [*range(100), *range(200), *range(299), 0]
    assert counts.tolist() == np.bincount(ages).tolist()


@pytest.mark.parametrize("span", [1, 4, 9])
def test_the_average_is_the_measured_one(span: int) -> None:
    config = parse_language_train([*WORDS, "--max-span", str(span), "--device", "cpu"]).config
    corpus = LANGUAGE_TASKS["copy"].open_corpus(config.options)
    measured = evaluate_split(make_model(config, corpus), config, "test", 0).memory_size_mean
    assert equal_length(config, measured - 1e-4) == span
    assert equal_length(config, measured + 1e-2) == span + 1


def test_no_l_is_enough() -> None:
    config = parse_language_train(WORDS).config
    assert equal_length(config, 1e6) > 20
    assert equal_length(config, 0.0) == 1
