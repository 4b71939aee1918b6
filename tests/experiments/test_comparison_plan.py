"""Which runs a comparison is made of, and equal parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.compare_command import CompareArguments, base_config
from rlmem.experiments.comparison_folder import check_same_runs, last_logged_step
from rlmem.experiments.comparison_plan import (
    PlannedRun,
    Variant,
    as_json,
    config_difference,
    plan_runs,
    read_variant,
)
from rlmem.experiments.matched_width import count_parameters, match_width, with_width
from rlmem.experiments.train_config import TrainConfig

_SMALL = "--model 16 --feedforward 16 --max-length 6 --num-envs 4 --num-steps 8"


@pytest.fixture(scope="module")
def base() -> TrainConfig:
    return base_config(CompareArguments("corridor", total_timesteps=100), _SMALL.split())


def plan(base: TrainConfig, *texts: str, seeds: Sequence[int] = (1, 2), match: bool = True) -> list[PlannedRun]:
    return plan_runs(base, [read_variant(text) for text in texts], seeds, match_parameters=match)


def test_kinds_with_sizes_and_seeds() -> None:
    assert read_variant("expire_span") == Variant("expire_span")
    assert read_variant("transformer_xl:5,10@3") == Variant("transformer_xl", (5, 10), (3,))
    assert read_variant("lstm@1,2") == Variant("lstm", (), (1, 2))


def test_runs_are_the_products_of_sizes_and_seeds(base: TrainConfig) -> None:
    runs = plan(base, "transformer_xl:5,10@7", "expire_span", "none")
    assert [run.name for run in runs] == [
        "transformer_xl-L5-s7", "transformer_xl-L10-s7",
        "expire_span-L256-s1", "expire_span-L256-s2", "none-s1", "none-s2",
    ]  # fmt: skip
    first = runs[0]
    expected = {"model.memory": "transformer_xl", "model.max_span": 5, "run.seed": 7}
    assert config_difference(first.config, base) == expected
    assert first.num_steps == 128  # four windows of 4 x 8
    assert first.config.run.num_threads == 1
    assert (first.size, runs[-1].size) == (5, None)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_recurrent_kinds_get_the_closest_width(base: TrainConfig, kind: str) -> None:
    (attention,) = plan(base, "transformer_xl:5@1")
    (recurrent,) = plan(base, f"{kind}@1")
    width = recurrent.config.model.model
    away = abs(recurrent.parameters - attention.parameters)
    for other in range(2, 3 * width, 2):
        assert away <= abs(count_parameters(with_width(recurrent.config, other)) - attention.parameters), other
    (plain,) = plan(base, f"{kind}@1", match=False)
    assert plain.config.model.model == base.model.model
    assert abs(plain.parameters - attention.parameters) >= away


def test_the_smallest_width_is_one_head_wide(base: TrainConfig) -> None:
    config = replace(base, model=replace(base.model, memory="gru"))
    assert match_width(config, 1).model.model == base.model.heads


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("transformer", "the memory kind 'transformer' is unknown; did you mean 'transformer_xl'"),
        ("", "the memory kind '' is unknown; choose from expire_span"),
        ("lstm:5", "the kind lstm has no memory size; write lstm"),
        ("gru:5@1", "write gru@1"),
        ("none:5", "the kind none has no memory size"),
        ("expire_span:0", "the memory size is 0, but it must be at least 1"),
        ("expire_span:5,x", "the memory size 'x' is no whole number"),
        ("expire_span:-5", "'-5' is no whole number"),
        ("expire_span:", "'' is no whole number"),
        ("expire_span@", "the seed '' is no whole number"),
        ("expire_span@1,b", "the seed 'b' is no whole number"),
    ],
)
def test_kinds_that_cannot_be(text: str, part: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_variant(text)
    assert part in str(refused.value)


def test_no_seeds_and_runs_named_twice(base: TrainConfig) -> None:
    with pytest.raises(UsageError, match="expire_span has no seeds"):
        plan(base, "expire_span", seeds=())
    assert len(plan(base, "expire_span@4", seeds=())) == 1
    with pytest.raises(UsageError, match="transformer_xl-L5-s1 is asked for twice"):
        plan(base, "transformer_xl:5", "transformer_xl:5,6@1")


def test_recorded_runs_must_be_planned_as_they_were(base: TrainConfig) -> None:
    runs = {run.name: as_json(run.config) for run in plan(base, "transformer_xl:5,10")}
    fewer = {name: config for name, config in runs.items() if "L5" in name}
    check_same_runs(fewer, runs, Path("there"))
    with pytest.raises(UsageError, match=r"there holds another comparison, with the run transformer_xl-L10-s1"):
        check_same_runs(runs, fewer, Path("there"))
    changed = {name: {**config, "run": {**config["run"], "num_envs": 5}} for name, config in runs.items()}
    with pytest.raises(UsageError, match=r"run.num_envs of transformer_xl-L5-s1 is 4 there, not 5"):
        check_same_runs(runs, changed, Path("there"))


@pytest.mark.parametrize(
    ("content", "step"),
    [(None, 0), ("", 0), ('{"step": 64}\n', 64), ('{"step": 64}\n{"step": 128}\n{"ste', 128), ('{"st', 0)],
)
def test_last_logged_step(tmp_path: Path, content: str | None, step: int) -> None:
    if content is not None:
        (tmp_path / "metrics.jsonl").write_text(content)
    assert last_logged_step(tmp_path / "metrics.jsonl") == step
