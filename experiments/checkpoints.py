"""The checkpoints of a run: folders that appear whole, of which the last few are kept.

checkpoints/step_<environment steps, or updates of a language model>/
  model.safetensors    the policy or language model
  trainer.safetensors  optimiser, memory, generators, observations or streams
  rank_1.safetensors   memory and so on of a second process that trains too, and of each further one
  state.json           the rest, of all processes, and the other files' sizes and hashes; written last
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from rlmem.actor_critic import ActorCritic
from rlmem.agents.learner import DivergedError
from rlmem.checkpoint import CheckpointError, load_policy, load_tensors, save_model, save_tensors
from rlmem.experiments.atomic_files import sync, write_bytes
from rlmem.language_model import LanguageModel

AnyModel = ActorCritic | LanguageModel
Model = TypeVar("Model", bound=nn.Module)

_FORMAT = 1
_FILES = ("model.safetensors", "trainer.safetensors")
_TEMPORARY = ".writing_"


@dataclass(frozen=True)
class RankState:
    """Where the trainer of a later rank stands.

    Args:
        tensors: the trainer's, on the CPU, without the optimiser's, which are the first rank's too.
        values: the rest, as `state_dict` gives it.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]


class Checkpoints:
    """The folder of a run's checkpoints.

    Args:
        folder: `checkpoints/` of a run; made with the first checkpoint.
        keep: how many of the last ones are kept.
    """

    def __init__(self, folder: Path, keep: int) -> None:
        self.folder, self.keep = folder, keep

    def steps(self) -> list[int]:
        """The steps of all checkpoints, whole or not, ascending."""
        names = [path.name for path in self.folder.glob("step_*")]
        return sorted(int(name[5:]) for name in names if re.fullmatch(r"step_\d+", name))

    def save(
        self,
        step: int,
        model: AnyModel,
        tensors: dict[str, Tensor],
        state: dict[str, Any],
        later: Sequence[RankState] = (),
    ) -> Path:
        """Write a checkpoint, then remove what is older than the last few.

        Args:
            step: environment steps or updates; a checkpoint of that step is left as it is.
            model: the weights.
            tensors: of the trainer.
            state: of the trainer, JSON-able but for arrays.
            later: what the ranks after the first hold, in order.

        Raises:
            DivergedError: a weight is no finite number; nothing is written.
        """
        path = self.folder / f"step_{step}"
        if path.exists():
            return path
        self.folder.mkdir(exist_ok=True)
        write_checkpoint(path, model, tensors, state, later)
        for old in self.steps()[: -self.keep]:
            shutil.rmtree(self.folder / f"step_{old}")
        return path

    def choose(self, name: str | None, command: str) -> Path:
        """The checkpoint of that name, or the newest; its files are whole.

        Args:
            name: `step_<n>`, or None.
            command: what to type with `--checkpoint` for another one.

        Raises:
            CheckpointError: there is none, or its files are not whole.
        """
        steps = self.steps()
        if not steps:
            raise CheckpointError(
                f"{self.folder.parent} holds no checkpoint: the run stopped before its first one; train it anew"
            )
        known = [f"step_{step}" for step in steps]
        if name is not None and name not in known:
            raise CheckpointError(f"{self.folder} holds no {name}; choose one of {', '.join(known)}")
        path = self.folder / (name or known[-1])
        problem = find_damage(path)
        if problem is not None:
            whole = [n for n in steps if f"step_{n}" != path.name and find_damage(self.folder / f"step_{n}") is None]
            advice = f"go back to the last whole one: {command} --checkpoint step_{whole[-1]}" if whole else (
                "there is no whole one; train the run anew"
            )  # fmt: skip
            raise CheckpointError(f"the checkpoint {path} is damaged: {problem}; {advice}")
        return path

    def set_aside_after(self, path: Path) -> list[str]:
        """Rename the checkpoints after `path`, which the resumed run will make again; returns their new names."""
        renamed = []
        for step in [step for step in self.steps() if step > step_of(path)]:
            number, target = 1, self.folder / f"aside_1_step_{step}"
            while target.exists():
                number += 1
                target = self.folder / f"aside_{number}_step_{step}"
            (self.folder / f"step_{step}").rename(target)
            renamed.append(target.name)
        return renamed


def write_checkpoint(
    path: Path,
    model: AnyModel,
    tensors: dict[str, Tensor],
    state: dict[str, Any],
    later: Sequence[RankState] = (),
) -> None:
    """Write a checkpoint's folder, whole or not at all; `load_checkpoint` reads it.

    Args:
        path: of the folder, which is not there yet; its parent is.
        model: the weights.
        tensors: of the trainer.
        state: of the trainer, JSON-able but for arrays.
        later: what the ranks after the first hold, in order.

    Raises:
        DivergedError: a weight is no finite number; nothing is written.
        CheckpointError: there is no space for it.
    """
    _check_finite(model)
    for leftover in path.parent.glob(f"{_TEMPORARY}*"):
        shutil.rmtree(leftover)
    temporary = path.with_name(f"{_TEMPORARY}{path.name}")
    temporary.mkdir()
    try:
        save_model(model, temporary / _FILES[0])
        save_tensors(tensors, temporary / _FILES[1])
        for number, rank in enumerate(later, start=1):
            save_tensors(rank.tensors, temporary / _rank_file(number))
    except (SafetensorError, OSError) as error:  # a full disk
        raise CheckpointError(f"{path} could not be written ({error}); free space and go on") from error
    files = {file.name: _fingerprint(file) for file in sorted(temporary.iterdir())}
    whole = {"format": _FORMAT, "files": files, "trainer": state, "ranks": [rank.values for rank in later]}
    text = json.dumps(whole, default=_as_list)
    write_bytes(temporary / "state.json", text.encode())
    temporary.rename(path)
    sync(path.parent)


def step_of(path: Path) -> int:
    """The environment steps, or updates, of a checkpoint's folder."""
    return int(path.name.removeprefix("step_"))


def load_checkpoint(path: Path, device: torch.device | str) -> tuple[ActorCritic, dict[str, Tensor], dict[str, Any]]:
    """Read an agent's checkpoint: policy, the trainer's tensors on `device`, the trainer's state.

    Raises:
        CheckpointError: a file is not whole, or holds a language model.
    """
    return load_checkpoint_of(path, device, load_policy)


def load_checkpoint_of(
    path: Path, device: torch.device | str, load_model: Callable[[Path, torch.device | str], Model]
) -> tuple[Model, dict[str, Tensor], dict[str, Any]]:
    """Read what `Checkpoints.save` wrote.

    Args:
        path: of the folder.
        device: of the tensors.
        load_model: `load_policy` or `load_language_model`.

    Returns:
        The model, the trainer's tensors on `device`, the trainer's state.

    Raises:
        CheckpointError: a file is not whole, or holds another kind of model.
    """
    model = load_model(path / _FILES[0], device)
    tensors, _ = load_tensors(path / _FILES[1], device)
    state: dict[str, Any] = json.loads((path / "state.json").read_text())["trainer"]
    return model, tensors, state


def load_later_states(path: Path) -> list[RankState]:
    """What a checkpoint holds of the ranks after the first, in order.

    Raises:
        CheckpointError: a file is not whole.
    """
    values = json.loads((path / "state.json").read_text()).get("ranks", [])
    return [RankState(load_tensors(path / _rank_file(number))[0], rank) for number, rank in enumerate(values, start=1)]


def find_damage(path: Path) -> str | None:
    """What is wrong with a checkpoint's files, or None."""
    try:
        state = json.loads((path / "state.json").read_text())
        expected = {name: state["files"][name] for name in (*_FILES, *state["files"])}
    except FileNotFoundError:
        return "state.json is missing"
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError):
        return "state.json was cut short or changed"
    if state["format"] != _FORMAT:
        return f"its format is {state['format']!r}, but this version of rlmem reads {_FORMAT}"
    for name, (size, digest) in expected.items():
        if not (path / name).is_file():
            return f"{name} is missing"
        if (path / name).stat().st_size != size:
            return f"{name} has {(path / name).stat().st_size} bytes instead of {size}, it was cut short"
        if _fingerprint(path / name)[1] != digest:
            return f"{name} was changed after it was written"
    return None


def _rank_file(number: int) -> str:
    return f"rank_{number}.safetensors"


def _fingerprint(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256."""
    content = path.read_bytes()
    return len(content), hashlib.sha256(content).hexdigest()


def _check_finite(model: nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if not torch.isfinite(tensor).all():
            raise DivergedError(
                f"the weights {name} are no longer finite, so they are not saved; resume from the last checkpoint "
                "with a lower --learning-rate, or train anew"
            )


def _as_list(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"a trainer's state holds a {type(value).__name__}, which JSON cannot: make it a list")
