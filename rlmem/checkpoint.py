"""Weights and tensors on disk: safetensors files, written whole or not at all, opened without running code."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.errors import RlmemError
from rlmem.model_config import ModelConfig
from rlmem.space_json import space_from_json, space_to_json


class CheckpointError(RlmemError):
    """A file is not what a checkpoint needs: cut short, missing, or made by something else."""


def save_tensors(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> None:
    """Write named tensors so that `path` is whole or absent: a temporary file, fsynced, then renamed.

    Args:
        tensors: any shapes, dtypes and devices.
        path: the file to write; replaced if it exists.
        metadata: texts to store beside the tensors.
    """
    temporary = path.with_name(path.name + ".tmp")
    whole = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    with temporary.open("wb") as file:  # not safetensors' save_file, which denies other users the file
        file.write(save(whole, metadata))
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)


def load_tensors(path: Path, device: torch.device | str = "cpu") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read what `save_tensors` wrote.

    Returns:
        The tensors by name, on `device`, and the metadata.

    Raises:
        CheckpointError: the file is missing, cut short or of another format.
    """
    try:
        with safe_open(path, framework="pt", device=str(device)) as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist; give a folder that holds a checkpoint") from error
    except SafetensorError as error:
        raise CheckpointError(
            f"{path} is no whole safetensors file ({error}); it was cut short or damaged: use an earlier checkpoint"
        ) from error


def save_policy(policy: ActorCritic, path: Path) -> None:
    """Write a policy's weights with all that is needed to build it again: sizes and spaces (with their words).

    Args:
        policy: the actor-critic.
        path: usually `model.safetensors`.
    """
    description = {
        "model": asdict(policy.config),
        "observation_space": space_to_json(policy.observation_space),
        "action_space": space_to_json(policy.action_space),
    }
    save_tensors(policy.state_dict(), path, {"rlmem": json.dumps(description)})


def load_policy(path: Path, device: torch.device | str = "cpu") -> ActorCritic:
    """Build the policy that `save_policy` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, or holds no rlmem policy.
    """
    tensors, metadata = load_tensors(path, device)
    description = _description(path, metadata)
    sizes: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in description["model"].items()
    }
    config = ModelConfig(**sizes)
    policy = ActorCritic(
        config,
        space_from_json(description["observation_space"]),
        space_from_json(description["action_space"]),
    ).to(device)
    try:
        policy.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold the weights that it describes: {error}") from error
    return policy


def _description(path: Path, metadata: dict[str, str]) -> dict[str, Any]:
    try:
        description: dict[str, Any] = json.loads(metadata["rlmem"])
    except (KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is a safetensors file, but not one of a policy: it lacks rlmem's description; "
            "give the model.safetensors of a run"
        ) from error
    return description
