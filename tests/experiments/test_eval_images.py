"""What TensorBoard gets of every evaluation, and that training does not notice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

Command = Callable[..., Any]
RUNS = Path("runs/corridor")


def events(run: Path) -> Any:
    (path,) = run.glob("events.*")
    accumulator = EventAccumulator(str(path), size_guidance={"images": 0, "histograms": 0, "tensors": 0})
    return accumulator.Reload()


def test_histograms_and_pictures_of_every_evaluation(train: Command, here: Path) -> None:
    assert train("run", "--eval-images").code == 0
    found = events(RUNS / "run")
    pictures = found.Images("memory/retained")
    assert [picture.step for picture in pictures] == [320, 640]
    assert all(picture.encoded_image_string.startswith(b"\x89PNG") for picture in pictures)
    assert len({(picture.width, picture.height) for picture in pictures}) == 1
    with np.load(RUNS / "run" / "evaluations.npz") as arrays:
        made = arrays["ep_lengths"].sum(1).tolist()
    for layer in (0, 1):
        spans = found.Histograms(f"memory/layer_{layer}/spans")
        assert [one.step for one in spans] == [320, 640]
        assert [one.histogram_value.num for one in spans] == made
        assert [sum(one.histogram_value.bucket) for one in spans] == made
        assert all(0 <= one.histogram_value.min <= one.histogram_value.max <= 12 for one in spans)


def test_training_does_not_notice(train: Command, here: Path, folder_hash: Callable[[Path], str]) -> None:
    assert train("with", "--eval-images").code == 0
    assert train("without").code == 0
    assert events(RUNS / "without").Tags()["images"] == []
    assert folder_hash(RUNS / "with" / "checkpoints") == folder_hash(RUNS / "without" / "checkpoints")
    logged = [
        [
            {name: value for name, value in json.loads(line).items() if not name.startswith("time/")}
            for line in (RUNS / name / "metrics.jsonl").read_text().splitlines()
        ]
        for name in ("with", "without")
    ]
    assert logged[0] == logged[1]


@pytest.mark.parametrize(
    ("memory", "has_picture"),
    [("transformer_xl", True), ("compressive", True), ("none", False), ("lstm", False), ("gru", False)],
)
def test_kinds_without_spans(train: Command, here: Path, memory: str, has_picture: bool) -> None:
    finished = train("run", "--eval-images", "--memory", memory)
    assert (finished.code, finished.err) == (0, "")
    assert "picture" not in finished.out
    tags = events(RUNS / "run").Tags()
    assert tags["images"] == (["memory/retained"] if has_picture else [])
    assert tags["histograms"] == []


_MODULE = """
import gymnasium as gym
import numpy as np


class Numbers(gym.Env):
    observation_space = gym.spaces.Box(-1, 1, (2,), np.float32)
    action_space = gym.spaces.Discrete(3)

    def __init__(self, alone=True):
        self.alone = alone

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = 4
        return np.zeros(2, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.full(2, self.left / 4, np.float32), 1.0, self.left == 0, False, {}


gym.register("Numbers-v0", Numbers)
"""


@pytest.mark.parametrize("quiet", [[], ["--quiet"]])
def test_what_keeps_a_picture_from_being_whole_is_said_once(
    rlmem: Command, tiny: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, quiet: list[str]
) -> None:
    (here / "numbersmodule.py").write_text(_MODULE)
    monkeypatch.syspath_prepend(str(here))
    own = [word for word in tiny if word not in ("--max-length", "6", "--max-episode-steps", "20")]
    words = ["--env-id", "numbersmodule:Numbers-v0", *own, "--eval-images", "--name", "run", *quiet]
    finished = rlmem("train", *words)
    del sys.modules["numbersmodule"], gym.registry["Numbers-v0"]
    assert (finished.code, finished.err) == (0, "")
    assert finished.out.count("draws no pictures") == (0 if quiet else 1)
    found = events(Path("runs/numbersmodule-Numbers-v0/run"))
    assert [picture.step for picture in found.Images("memory/retained")] == [320, 640]
    (note,) = found.Tensors("memory/retained_note/text_summary")
    assert note.step == 320
    assert b"words alone" in note.tensor_proto.string_val[0]


def test_an_environment_that_cannot_be_traced_alone_trains_on(
    train: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rlmem.envs import single
    from rlmem.errors import UsageError

    def refuse(*_: Any, **__: Any) -> Any:
        raise UsageError("this environment comes in batches alone")

    monkeypatch.setattr(single, "make_single_env", refuse)
    finished = train("run", "--eval-images")
    assert (finished.code, finished.err) == (0, "")
    sentence = "no picture of what the memory retained: this environment comes in batches alone"
    assert finished.out.count(sentence) == 1
    assert events(RUNS / "run").Tags()["images"] == []
