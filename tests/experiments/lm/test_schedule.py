"""The learning rate over a run."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from rlmem.experiments.lm.schedule import learning_rate, span_cost
from rlmem.experiments.lm.train_config import LanguageLearnerConfig, LanguageRunConfig

RUN = LanguageRunConfig(updates=110, fine_tune_updates=20, fine_tune_factor=0.1)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_warm_up_schedule_and_fine_tuning(schedule: str) -> None:
    learner = LanguageLearnerConfig(learning_rate=2.0, warmup_updates=10, schedule=schedule)  # type: ignore[arg-type]
    rates = [learning_rate(update, learner, RUN) for update in range(RUN.all_updates)]
    assert rates[:10] == pytest.approx([0.2 * number for number in range(1, 11)])
    assert rates[10] == 2.0
    expected = 2.0 if schedule == "constant" else 1 + math.cos(math.pi / 2)
    assert rates[60] == pytest.approx(expected)
    falls = [first - second for first, second in pairwise(rates[10:110])]
    assert all(fall == 0 if schedule == "constant" else fall > 0 for fall in falls)
    assert rates[110:] == pytest.approx([0.2] * 20)


def test_no_warm_up_and_a_warm_up_longer_than_the_run() -> None:
    assert learning_rate(0, LanguageLearnerConfig(learning_rate=2.0, warmup_updates=0), RUN) == 2.0
    slow = LanguageLearnerConfig(learning_rate=2.0, warmup_updates=1000, schedule="cosine")
    assert learning_rate(109, slow, RUN) == pytest.approx(0.22)


def test_memory_costs_nothing_before_the_delay_is_over() -> None:
    learner = LanguageLearnerConfig(span_cost=1e-5, span_cost_delay=3)
    assert [span_cost(update, learner) for update in range(5)] == [0.0, 0.0, 0.0, 1e-5, 1e-5]
