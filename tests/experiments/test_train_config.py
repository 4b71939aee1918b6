"""config.json of an older version: what it lacks takes the default, what it has and nobody knows is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rlmem.agents.learner_config import LearnerConfig
from rlmem.experiments.run_directory import PRETRAINED, read_config
from rlmem.experiments.tasks import CorridorOptions
from rlmem.experiments.train_config import ConfigError, RunConfig, TrainConfig, read_section
from rlmem.model_config import ModelConfig

SECTIONS = {"run": RunConfig, "learner": LearnerConfig, "model": ModelConfig, "environment": CorridorOptions}


def plain() -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(TrainConfig().to_json()))
    return data


@pytest.mark.parametrize("section", SECTIONS)
def test_a_field_that_is_missing_takes_its_default(section: str) -> None:
    for field in dataclasses.fields(SECTIONS[section]):
        data = plain()
        del data[section][field.name]
        assert TrainConfig.from_json(data) == TrainConfig()
    assert TrainConfig.from_json({**plain(), section: {}}) == TrainConfig()


def test_the_other_fields_are_read() -> None:
    data = plain()
    data["run"] = {"seed": 7, "eval_images": False}
    assert TrainConfig.from_json(data).run == RunConfig(seed=7, eval_images=False)


@pytest.mark.parametrize("section", SECTIONS)
def test_an_unknown_field_is_refused(section: str) -> None:
    data = plain()
    data[section]["colour"] = 1
    with pytest.raises(ConfigError, match=f"section '{section}' has the unknown colour"):
        TrainConfig.from_json(data)


@pytest.mark.parametrize("section", ["run", "learner", "model", "preset"])
def test_a_section_that_is_missing_is_refused(section: str) -> None:
    data = plain()
    del data[section]
    with pytest.raises(ConfigError, match=f"the file lacks {section}"):
        TrainConfig.from_json(data)


def test_a_field_without_a_default_is_required() -> None:
    @dataclass(frozen=True)
    class Options:
        size: int
        colour: str = "red"

    assert read_section(Options, {"size": 3}, "options") == Options(3)
    with pytest.raises(ConfigError, match="section 'options' lacks size"):
        read_section(Options, {"colour": "blue"}, "options")


@pytest.mark.parametrize("name", sorted(path.parent.name for path in PRETRAINED.glob("*/config.json")))
def test_shipped_configurations_are_read(name: str) -> None:
    assert read_config(PRETRAINED / name, TrainConfig.from_json).model.memory == "expire_span"


def test_a_run_from_before_the_pictures_goes_on(
    rlmem: Callable[..., Any], run: Path, folder_hash: Callable[[Path], str]
) -> None:
    checkpoint = folder_hash(run / "checkpoints" / "step_640")
    data = json.loads((run / "config.json").read_text())
    del data["run"]["eval_images"]
    (run / "config.json").write_text(json.dumps(data))
    assert rlmem("resume", "run", "--checkpoint", "step_512").code == 0
    assert folder_hash(run / "checkpoints" / "step_640") == checkpoint
