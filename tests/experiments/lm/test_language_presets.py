"""Every preset builds, `small` ones at once and `paper` ones with the paper's parameter counts."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from rlmem.experiments.lm.presets import PRESETS, find_preset
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS, in_unit

Command = Callable[..., Any]
COUNTS = {"enwik8": 38.5e6, "pg19": 41.8e6, "wikitext103": 140e6}


@pytest.mark.parametrize("task", LANGUAGE_TASKS)
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_dry_run(rlmem: Command, task: str, preset: str) -> None:
    finished = rlmem("lm", "train", task, "--preset", preset, "--dry-run")
    assert finished.code == 0, finished
    assert f'"preset": "{preset}"' in finished.out
    assert "predicted memory, at most:" in finished.out
    (line,) = (line for line in finished.out.splitlines() if line.startswith("parameters: "))
    parameters = int(line.removeprefix("parameters: ").replace(",", ""))
    if preset == "paper" and task in COUNTS:
        assert parameters == pytest.approx(COUNTS[task], rel=0.01)
    if preset == "small":
        assert parameters < 6e6
    has_note = "no --data was given" in finished.out
    assert has_note == (LANGUAGE_TASKS[task].whole is not None)


def test_the_paper_s_values() -> None:
    enwik8 = find_preset("enwik8", "paper")
    assert (enwik8.run.updates, enwik8.run.fine_tune_updates, enwik8.run.fine_tune_factor) == (100_000, 10_000, 0.1)
    assert (enwik8.learner.batch, enwik8.learner.block, enwik8.learner.warmup_updates) == (512, 512, 8000)
    assert (enwik8.model.max_span, enwik8.model.num_layers, enwik8.model.memory_dropout) == (16_384, 12, True)
    pg19 = find_preset("pg19", "paper")
    assert (pg19.learner.schedule, pg19.learner.max_grad_norm, pg19.learner.span_cost) == ("cosine", 0.3, 1e-6)
    assert (pg19.model.ramp, pg19.model.dropout, pg19.model.attention_dropout, pg19.model.glorot) == (
        128,
        0.2,
        0.2,
        True,
    )
    words = find_preset("wikitext103", "paper")
    assert (words.run.updates, words.learner.block, words.learner.max_grad_norm) == (300_000, 256, 0.1)
    assert (words.embedding.embedding_dropout, words.embedding.output_dropout, words.model.dropout) == (0.2, 0.2, 0.3)
    instruction = find_preset("instruction", "paper")
    assert (instruction.model.num_layers, instruction.model.ramp, instruction.learner.span_cost) == (6, 64, 2e-6)
    assert all(not one.model.charge_at_episode_end for one in (enwik8, pg19, words, instruction))


def test_presets_name_themselves() -> None:
    for task, presets in PRESETS.items():
        for name, config in presets.items():
            assert (config.task, config.preset) == (task, name)
            assert type(config.options) is LANGUAGE_TASKS[task].options
            # the newest of several collisions is told by its age, which must be seen for longer than a block
            blocks = 2 if (task, name) == ("collision-easy", "small") else 1
            assert config.model.position_reach == blocks * config.learner.block


def test_units() -> None:
    assert in_unit(math.log(8), "bpb") == in_unit(math.log(8), "bpc") == pytest.approx(3)
    assert in_unit(math.log(20), "ppl") == pytest.approx(20)
    assert in_unit(1e4, "ppl") == float("inf")
