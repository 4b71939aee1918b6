"""`rlmem eval --memory-sweep` and `--lengths`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.evaluation_sweeps import longest_reach, read_numbers
from rlmem.model_config import ModelConfig

Command = Callable[..., Any]


def test_the_shipped_agent_needs_its_memory_and_the_sweep_shows_it(rlmem: Command) -> None:
    words = ("eval", "corridor-expire-span", "--memory-sweep", "0,256", "--episodes", "40")
    report = json.loads(rlmem(*words, "--json").out)
    without, long, trained = report["memory_sweep"]
    assert [one["limit"] for one in report["memory_sweep"]] == [0, 256, None]
    assert without["memory_size_mean"] == 0
    assert without["success_rate"] < 0.8
    assert trained["success_rate"] >= 0.95
    assert long["success_rate"] == trained["success_rate"]  # no span is above 256, and no ramp decides
    assert {one["player"]: one["success_rate"] for one in report["players"]}["oracle"] == 1
    table = rlmem(*words).out
    assert "up to 0 steps old" in table
    assert "player memoryless" in table


def test_lengths_stand_beside_what_the_memory_reaches(rlmem: Command) -> None:
    words = ("eval", "corridor-expire-span", "--lengths", "10,700", "--episodes", "20")
    report = json.loads(rlmem(*words, "--json").out)
    assert [one["length"] for one in report["length_sweep"]] == [10, 700]
    assert report["length_sweep"][0]["success_rate"] == 1
    assert report["length_sweep"][1]["mean_ep_length"] > 650
    assert report["length_sweep"][1]["needed_reach"] == 698 > report["reach"]
    assert "at most 542 steps" in rlmem(*words).out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("corridor-expire-span", "--memory-sweep", "a,b"), "no list of whole numbers"),
        (("corridor-expire-span", "--memory-sweep", "-1"), "no list of whole numbers"),
        (("corridor-expire-span", "--lengths", "2"), "at least 3"),
        (("portal-expire-span", "--lengths", "20"), "is for the Corridor"),
    ],
)
def test_wrong_sweeps_are_refused(rlmem: Command, words: tuple[str, ...], message: str) -> None:
    finished = rlmem("eval", *words, "--episodes", "2")
    assert finished.code == 2
    assert message in finished.err


def test_numbers_and_reaches() -> None:
    assert read_numbers("0, 8,32", "--x", 0) == [0, 8, 32]
    with pytest.raises(UsageError, match="at least 3"):
        read_numbers("4,2", "--x", 3)
    sizes = {"max_span": 10, "ramp": 4, "compression_rate": 3, "num_compressed": 5}
    expected = {"none": 0, "transformer_xl": 20, "compressive": 50, "expire_span": 26, "adaptive_span": 26, "gru": None}
    for memory, reach in expected.items():
        assert longest_reach(ModelConfig(memory=memory, **sizes)) == reach  # type: ignore[arg-type]
