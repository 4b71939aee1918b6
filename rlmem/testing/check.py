"""`check_memory`: DESIGN's properties of a memory, run on any policy."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from rlmem.actor_critic import ActorCritic
from rlmem.errors import check
from rlmem.testing.actor_critic_adapter import ActorCriticAdapter
from rlmem.testing.differences import worst_of
from rlmem.testing.gradient_properties import GRADIENT_TOLERANCE
from rlmem.testing.observations import map_tensors, sample_observations, steps_of
from rlmem.testing.properties import PROPERTIES, Property
from rlmem.testing.protocol import METHODS, MemoryPolicy
from rlmem.testing.report import MemoryReport, PropertyResult
from rlmem.testing.trial import NotChecked, PolicyError, Trial, default_dtype

TOLERANCES = {torch.float64: 1e-10, torch.float32: 1e-5}
"""What still passes, by the dtype of the check."""

_EPISODES_A_ROW = 5
_CONSTANT = 1e-9  # a spread below it is none


def check_memory(
    policy: MemoryPolicy | ActorCritic,
    *,
    batch: int = 4,
    steps: int = 100,
    seed: int = 0,
    tolerance: float | None = None,
    dtype: torch.dtype | None = None,
    weight_noise: float = 0.0,
) -> MemoryReport:
    """Check that a policy's memory has the properties that every memory must have.

    Runs on a copy in evaluation mode: the policy and PyTorch's random state stay as they are. Observations are drawn
    from the policy's observation space; episodes begin at different steps of different rows.

    Args:
        policy: one of ours, or an object with the methods of `MemoryPolicy`.
        batch: rows.
        steps: of each row, at least 8; windows have a quarter of them.
        seed: of observations, episodes and random directions.
        tolerance: the difference that still passes, relative to the largest magnitude where that exceeds 1; 1e-10 in
            float64 and 1e-5 in float32 if not given. Gradients are compared with finite differences at 1e-5.
        dtype: of the copy and of observations, torch.float64 or torch.float32. None: float64 for an `nn.Module`; what
            is none cannot be turned to it, and is checked in float32.
        weight_noise: the deviation of normal noise that is added to the copy's weights. A fresh policy whose value
            head is 0 needs some: a constant cannot differ.

    Returns:
        One result a property; `report.passed` is True if none failed.

    Raises:
        UsageError: an argument cannot be.
        PolicyError: the policy lacks a method, or fails before the first property is checked.
    """
    check(batch >= 1, f"batch is {batch}, but it must be at least 1")
    check(steps >= 8, f"steps is {steps}, but it must be at least 8: windows have a quarter of them")
    dtype = dtype or (torch.float64 if isinstance(policy, nn.Module) else torch.float32)
    check(dtype in TOLERANCES, f"dtype is {dtype}, but it must be torch.float64 or torch.float32")
    tolerance = TOLERANCES[dtype] if tolerance is None else tolerance
    check(0 < tolerance < math.inf, f"tolerance is {tolerance}, but it must be a positive number")
    check(0 <= weight_noise < math.inf, f"weight_noise is {weight_noise}, but it cannot be negative")
    _check_methods(policy)
    device = _device(policy)
    generator_devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=generator_devices), torch.backends.cudnn.flags(enabled=False):
        torch.manual_seed(seed)
        copy = _copy(policy, steps // 4, seed, weight_noise)
        trial = _trial(copy, dtype, device, (batch, steps), tolerance, seed)
        with default_dtype(dtype):
            constant = _probe(trial)
        return MemoryReport(tuple(_check_property(one, trial, constant) for one in PROPERTIES))


def _check_property(one: Property, trial: Trial, constant: set[str]) -> PropertyResult:
    result = PropertyResult(one.number, one.name, "not checked", one.meaning)
    if one.name == "absolute_time":
        trial = _in_float32(trial)
    tolerance = GRADIENT_TOLERANCE if one.name == "gradients" else trial.tolerance
    if one.reads in constant:
        what = "every value" if one.reads == "value" else "every output and every value"
        return replace(result, note=f"{what} is the same, as of fresh weights; set the weight noise to 0.1, say")
    try:
        with default_dtype(trial.dtype):
            worst = worst_of(differences := one.play(trial))
            firsts = [d.first for d in differences if d.first is not None]
            limit = one.limit(trial)
    except NotChecked as reason:
        return replace(result, note=f"{reason}.")
    except Exception as error:  # a user's policy may raise anything; the other properties are still worth checking
        note = f"the policy raised {type(error).__name__}: {error}"
        return replace(result, status="failed", difference=math.inf, tolerance=tolerance, note=note)
    result = replace(result, difference=worst.amount, tolerance=tolerance, where=worst.where)
    if worst.amount <= tolerance:
        return replace(result, status="passed", note=limit)
    first = min(firsts, key=lambda where: where.step or 0, default=None)
    return replace(result, status="failed", first=None if first == worst.where else first, note=one.likely_cause)


def _check_methods(policy: Any) -> None:
    if isinstance(policy, ActorCritic):
        return
    missing = [name for name in METHODS if not callable(getattr(policy, name, None))]
    if missing:
        raise PolicyError(
            f"a policy of type {type(policy).__name__} has no method {', '.join(missing)}; "
            "rlmem.testing.MemoryPolicy says what a policy needs"
        )
    if not (hasattr(policy, "observation_space") or hasattr(policy, "sample_observations")):
        raise PolicyError(
            f"a policy of type {type(policy).__name__} has no observation_space, so no observations can be drawn; set "
            "it to the space of one environment, or add a method sample_observations(batch, steps, generator)"
        )


def _device(policy: Any) -> torch.device:
    parameters = policy.parameters() if isinstance(policy, nn.Module) else iter(())
    return next((parameter.device for parameter in parameters), torch.device("cpu"))


def _copy(policy: Any, quarter: int, seed: int, weight_noise: float) -> Any:
    try:
        copy = deepcopy(policy)
    except Exception as error:  # whatever the object holds
        raise PolicyError(
            f"a policy of type {type(policy).__name__} cannot be copied ({type(error).__name__}: {error}), and the "
            "check must not change yours; keep environments, files and locks out of it"
        ) from error
    if isinstance(copy, ActorCritic):
        copy = ActorCriticAdapter(copy, quarter)
    if isinstance(copy, nn.Module):
        generator = torch.Generator().manual_seed(seed)
        for parameter in copy.eval().parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64).to(parameter)
            parameter.data.add_(noise, alpha=weight_noise)
    return copy


def _trial(
    policy: Any, dtype: torch.dtype, device: torch.device, shape: tuple[int, int], tolerance: float, seed: int
) -> Trial:
    batch, steps = shape
    generator = torch.Generator().manual_seed(seed)
    observation, other = (_sample(policy, batch, steps, generator) for _ in range(2))
    is_first = torch.rand(batch, steps, generator=generator) < _EPISODES_A_ROW / steps
    is_first[0] = False
    half, quarter = 2 * (steps // 4), steps // 4
    for row in range(1, batch):  # row 1 begins an episode with a window, the others inside one; all forget before half
        is_first[row, half + (row - 1) % quarter] = is_first[row, half - 1 - (row - 1) % quarter] = True
    is_first[:, 0] = True
    if isinstance(policy, nn.Module):
        policy = policy.to(dtype)
    observation, other = (map_tensors(lambda leaf: _cast(leaf, dtype).to(device), t) for t in (observation, other))
    return Trial(policy, observation, other, is_first.to(device), tolerance, dtype, device, seed)


def _sample(policy: Any, batch: int, steps: int, generator: torch.Generator) -> Any:
    if callable(getattr(policy, "sample_observations", None)):
        return policy.sample_observations(batch, steps, generator)
    return sample_observations(policy.observation_space, batch, steps, generator)


def _cast(leaf: Tensor, dtype: torch.dtype) -> Tensor:
    return leaf.to(dtype) if leaf.is_floating_point() else leaf


def _in_float32(trial: Trial) -> Trial:
    """The same trial with a float32 copy of the policy: only there do large times lose their last digits."""
    policy = deepcopy(trial.policy)
    observation, other = (
        map_tensors(lambda leaf: _cast(leaf, torch.float32), tree) for tree in (trial.observation, trial.other)
    )
    return replace(
        trial,
        policy=policy.to(torch.float32) if isinstance(policy, nn.Module) else policy,
        observation=observation,
        other=other,
        dtype=torch.float32,
        tolerance=max(trial.tolerance, TOLERANCES[torch.float32]),
    )


def _probe(trial: Trial) -> set[str]:
    """Call every method once; returns what is constant, of "value" and "anything".

    Raises:
        PolicyError: a method raised an error, or gave something of another shape or no finite number.
    """
    try:
        played = trial.windows(trial.observation, trial.begin(), trial.is_first, trial.steps)
        acted = trial.act(steps_of(trial.observation, 0), trial.begin(), trial.is_first[:, 0])
        trial.bootstrap(steps_of(trial.observation, 1), acted.state)
    except PolicyError:
        raise
    except Exception as error:  # a user's policy may raise anything
        is_dtype = any(word in str(error) for word in ("dtype", "Float", "Double", "float", "double"))
        hint = (
            f"; it runs in {trial.dtype}: make tensors of the weights' dtype (no .float()), or choose float32"
            if is_dtype and trial.dtype == torch.float64
            else ""
        )
        raise PolicyError(f"the policy raised {type(error).__name__}: {error}{hint}") from error
    if played.outputs.isnan().any() or not played.value.isfinite().all():
        raise PolicyError("the policy gives outputs or values that are no finite numbers; train it anew")
    finite = played.outputs.masked_fill(~played.outputs.isfinite(), 0)
    constant = {"value"} if _spread(played.value) < _CONSTANT else set()
    if constant and _spread(finite) < _CONSTANT:
        constant.add("anything")
    return constant


def _spread(tensor: Tensor) -> float:
    """How much a tensor (batch, steps, ...) changes with row and step."""
    flat = tensor.flatten(0, 1)
    return float((flat.amax(0) - flat.amin(0)).max())
