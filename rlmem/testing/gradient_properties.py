"""Properties of gradients to the policy's parameters, of a random linear function of a window's outputs and values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from rlmem.testing.differences import Difference, compare_gradients
from rlmem.testing.forward_properties import boundary
from rlmem.testing.observations import join_steps, steps_of, with_step_changed
from rlmem.testing.report import Where
from rlmem.testing.trial import NotChecked, Trial

GRADIENT_TOLERANCE = 1e-5  # of finite differences in float64, relative to the slope
_SMALLEST_SLOPE = 1e-3  # below it the error is not relative: rounding
_STEP_LENGTHS = (1e-6, 1e-7, 1e-5)  # a kink, as of a ReLU, lies within one of them now and then; not within all
_NUM_DIRECTIONS = 2  # through all parameters at once, beside one through each


def gradients_of_window(
    trial: Trial, parameters: Mapping[str, nn.Parameter], observation: Any, state: Any, is_first: Tensor, start: int = 0
) -> dict[str, Tensor]:
    """Gradients of the window's steps from `start` on; zeros for parameters that do not take part."""
    with torch.enable_grad():
        score = _score(trial, observation, state, is_first, start)
        if not score.requires_grad:
            raise NotChecked("window() returns tensors without gradients: it runs under no_grad or detaches them")
        found = torch.autograd.grad(score, list(parameters.values()), allow_unused=True)
    pairs = zip(parameters.items(), found, strict=True)
    return {name: torch.zeros_like(p) if gradient is None else gradient for (name, p), gradient in pairs}


def boundary_gradients(trial: Trial) -> list[Difference]:
    """Property 4: the gradient of an episode's outputs is the same whatever was observed in the episode before."""
    parameters, end = trial.parameters(), boundary(trial)
    first = end - trial.quarter // 2  # the window's first step; the episode ends in its middle
    last = first + trial.quarter
    is_first = torch.zeros_like(trial.is_first[:, :last])
    is_first[:, 0] = is_first[:, end] = True

    def gradients(observation: Any) -> dict[str, Tensor]:
        before = steps_of(observation, slice(first))
        state = trial.windows(before, trial.begin(), is_first[:, :first], trial.quarter).state
        part = steps_of(observation, slice(first, last))
        return gradients_of_window(trial, parameters, part, state, is_first[:, first:], end - first)

    after = steps_of(trial.observation, slice(end, last))
    observation, changed = (join_steps(steps_of(tree, slice(end)), after) for tree in (trial.observation, trial.other))
    expected = gradients(observation)
    if not any(gradient.any() for gradient in expected.values()):
        raise NotChecked("every gradient is 0")
    worst = compare_gradients(expected, gradients(changed))
    if worst.amount > trial.tolerance:
        worst = _located(
            worst, lambda tree: compare_gradients(expected, gradients(tree)), observation, trial, first, end
        )
    return [worst]


def _located(
    worst: Difference, compare: Callable[[Any], Difference], observation: Any, trial: Trial, first: int, end: int
) -> Difference:
    """The row and the step of the old episode whose observation changes the gradient most, if one of them does."""
    found = None
    for row in range(trial.batch):
        for step in range(first, end):
            difference = compare(with_step_changed(observation, trial.other, row, step))
            if difference.amount > (found.amount if found else trial.tolerance):
                quantity = f"{difference.where.quantity}, of outputs from step {end} on"
                found = Difference(difference.amount, Where(quantity, row, step))
    return found or worst


def finite_differences(trial: Trial) -> list[Difference]:
    """Property 8: analytic slopes equal central finite differences, through all parameters and through each.

    No episode ends inside the window: what happens there is property 4's. The slow reference written from the design
    document is not here but in the tests of rlmem (tests/rlmem/test_against_reference.py), and for our kinds alone.
    """
    if trial.dtype != torch.float64:
        raise NotChecked("finite differences need float64; leave dtype at its default")
    parameters = trial.parameters()
    window, before = slice(trial.quarter, 2 * trial.quarter), slice(trial.quarter)
    is_first = torch.zeros_like(trial.is_first[:, window])
    is_first[1::2, 0] = True
    state = trial.windows(
        steps_of(trial.observation, before), trial.begin(), trial.is_first[:, before], trial.quarter
    ).state
    observation = steps_of(trial.observation, window)
    gradients = gradients_of_window(trial, parameters, observation, state, is_first)
    generator = trial.generator()
    everything = "all parameters along a random direction"
    chosen = [(everything, list(parameters))] * _NUM_DIRECTIONS + [(name, [name]) for name in parameters]
    differences = []
    for label, names in chosen:
        direction = {
            name: torch.randn(parameters[name].shape, generator=generator, dtype=torch.float64).to(trial.device)
            for name in names
        }
        analytic = sum(float((gradients[name] * direction[name]).sum()) for name in names)
        errors = []
        for length in _STEP_LENGTHS:
            up, down = (
                _moved_score(trial, parameters, direction, sign * length, observation, state, is_first)
                for sign in (1, -1)
            )
            numeric = (up - down) / (2 * length)
            size = max(abs(analytic), abs(numeric), _SMALLEST_SLOPE)
            errors.append(abs(analytic - numeric) / size)
            if errors[-1] <= GRADIENT_TOLERANCE:
                break
        differences.append(Difference(min(errors), Where(f"gradient of {label}")))
    return differences


@torch.no_grad()
def _moved_score(
    trial: Trial,
    parameters: Mapping[str, nn.Parameter],
    direction: Mapping[str, Tensor],
    length: float,
    observation: Any,
    state: Any,
    is_first: Tensor,
) -> float:
    """The score with the copy's parameters moved by `length` along a direction; they are put back."""
    before = {name: parameters[name].detach().clone() for name in direction}
    for name, vector in direction.items():
        parameters[name].add_(vector, alpha=length)
    score = float(_score(trial, observation, state, is_first, 0))
    for name, values in before.items():
        parameters[name].copy_(values)
    return score


def _score(trial: Trial, observation: Any, state: Any, is_first: Tensor, start: int) -> Tensor:
    """A random linear function of the outputs and values from step `start` on, the same at every call."""
    played, generator = trial.window(observation, state, is_first), trial.generator()
    total: Tensor | None = None
    for tensor in (played.outputs, played.value):
        weights = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor)
        tensor = tensor.masked_fill(~tensor.isfinite(), 0)  # logits of masked actions
        part = (weights * tensor)[:, start:].sum() / tensor.numel() ** 0.5
        total = part if total is None else total + part
    assert total is not None, "a window has outputs and values"
    return total
