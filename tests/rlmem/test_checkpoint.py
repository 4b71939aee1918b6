"""Weights on disk: a round trip, and every way in which a file is not a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from gymnasium.spaces import Discrete
from safetensors.torch import save_file

from rlmem.actor_critic import ActorCritic
from rlmem.checkpoint import CheckpointError, load_policy, load_tensors, save_policy, save_tensors
from rlmem.model_config import ModelConfig
from rlmem.word_space import WordSpace


@pytest.fixture
def policy() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(
        ModelConfig(model=8, heads=2, ramp=3, max_span=9), WordSpace(3, 3, ("agent", "block")), Discrete(4)
    )


def test_round_trip(policy: ActorCritic, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_policy(policy, path)
    loaded = load_policy(path)
    assert loaded.config == policy.config
    assert loaded.observation_space == policy.observation_space
    assert loaded.action_space == policy.action_space
    for name, tensor in policy.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


def test_cut_short(policy: ActorCritic, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_policy(policy, path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="cut short or damaged"):
        load_policy(path)


def test_missing_and_foreign(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        load_policy(tmp_path / "none.safetensors")
    save_file({"x": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="lacks rlmem's description"):
        load_policy(tmp_path / "other.safetensors")


def test_a_size_of_a_later_version(policy: ActorCritic, tmp_path: Path) -> None:
    """Weights from before a size was there take its default; one that is not known is refused."""
    path = tmp_path / "model.safetensors"
    save_policy(policy, path)
    tensors, texts = load_tensors(path)
    description = json.loads(texts["rlmem"])
    del description["model"]["span_features"]
    save_tensors(tensors, path, {"rlmem": json.dumps(description)})
    assert load_policy(path).config == policy.config
    description["model"]["colour"] = 1
    save_tensors(tensors, path, {"rlmem": json.dumps(description)})
    with pytest.raises(CheckpointError, match="by the unknown colour"):
        load_policy(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "tensors.safetensors"
    save_tensors({"x": torch.zeros(2)}, path)

    def fail(descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        save_tensors({"x": torch.ones(2)}, path)
    assert torch.equal(load_tensors(path)[0]["x"], torch.zeros(2))
