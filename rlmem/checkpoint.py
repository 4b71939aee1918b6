"""Weights and tensors on disk: safetensors files, written whole or not at all, opened without running code."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from rlmem.actor_critic import ActorCritic
from rlmem.errors import RlmemError
from rlmem.language_model import LanguageModel, VocabularyConfig
from rlmem.model_config import ModelConfig
from rlmem.space_json import space_from_json, space_to_json

_DESCRIPTION = "rlmem"  # the metadata's key

Model = TypeVar("Model", bound=nn.Module)


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


def save_model(model: ActorCritic | LanguageModel, path: Path) -> None:
    """Write a policy or a language model; see `save_policy` and `save_language_model`."""
    if isinstance(model, LanguageModel):
        save_language_model(model, path)
    else:
        save_policy(model, path)


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
    save_tensors(policy.state_dict(), path, {_DESCRIPTION: json.dumps(description)})


def save_language_model(model: LanguageModel, path: Path) -> None:
    """Write a language model's weights with all that is needed to build it again: sizes and vocabulary.

    Args:
        model: the language model.
        path: usually `model.safetensors`.
    """
    description = {"model": asdict(model.config), "vocabulary": asdict(model.vocabulary)}
    save_tensors(model.state_dict(), path, {_DESCRIPTION: json.dumps(description)})


def load_policy(path: Path, device: torch.device | str = "cpu") -> ActorCritic:
    """Build the policy that `save_policy` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, or holds no rlmem policy.
    """
    tensors, description = _load_described(path, device)
    if "observation_space" not in description:
        raise CheckpointError(f"{path} holds a language model and no policy; try rlmem lm eval with its run")
    policy = ActorCritic(
        _model_config(description),
        space_from_json(description["observation_space"]),
        space_from_json(description["action_space"]),
    )
    return _filled(policy.to(device), tensors, path)


def load_language_model(path: Path, device: torch.device | str = "cpu") -> LanguageModel:
    """Build the language model that `save_language_model` wrote.

    Raises:
        CheckpointError: the file is missing, cut short, or holds no language model.
    """
    tensors, description = _load_described(path, device)
    if "vocabulary" not in description:
        raise CheckpointError(f"{path} holds an agent's policy and no language model; try rlmem eval with its run")
    vocabulary = VocabularyConfig(**_with_tuples(description["vocabulary"]))
    return _filled(LanguageModel(_model_config(description), vocabulary).to(device), tensors, path)


def _load_described(path: Path, device: torch.device | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and rlmem's description of the model that they are the weights of."""
    tensors, metadata = load_tensors(path, device)
    try:
        description: dict[str, Any] = json.loads(metadata[_DESCRIPTION])
    except (KeyError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} is a safetensors file, but not one of a model: it lacks rlmem's description; "
            "give the model.safetensors of a run"
        ) from error
    return tensors, description


def _model_config(description: dict[str, Any]) -> ModelConfig:
    """The sizes that weights describe; one that they lack is of a time before it and takes its default.

    Raises:
        CheckpointError: they describe what this version does not know.
    """
    unknown = set(description["model"]) - {one.name for one in fields(ModelConfig)}
    if unknown:
        raise CheckpointError(
            f"the weights describe their model by the unknown {', '.join(sorted(unknown))}; a newer version of rlmem "
            "wrote them: use that one"
        )
    return ModelConfig(**_with_tuples(description["model"]))


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _filled(model: Model, tensors: dict[str, Tensor], path: Path) -> Model:
    """The model with these weights."""
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not hold the weights that it describes: {error}") from error
    return model
