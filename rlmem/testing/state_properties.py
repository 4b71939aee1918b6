"""Properties of what a state stores: empty slots, deletion, saving."""

from __future__ import annotations

from typing import Any

import torch

from rlmem.testing.differences import Difference, compare_gradients, compare_steps
from rlmem.testing.gradient_properties import gradients_of_window
from rlmem.testing.observations import steps_of
from rlmem.testing.trial import NotChecked, Trial


def empty_slots(trial: Trial) -> list[Difference]:
    """Property 5: whatever finite numbers stand in empty slots, windows, acting and gradients are the same."""
    trial.needs("with_garbage", "policies without slots need none")
    half = 2 * trial.quarter
    rest, is_first = steps_of(trial.observation, slice(half, None)), torch.zeros_like(trial.is_first[:, half:])
    state = _half_way(trial)
    garbage = trial.policy.with_garbage(state, trial.generator())
    if garbage is None:
        raise NotChecked("no slot was empty")
    one, other = (trial.windows(rest, s, is_first, trial.quarter) for s in (state, garbage))
    differences = trial.compare(one, other, " of windows with garbage", step=half)
    one, other = (trial.acting(rest, s, is_first) for s in (state, garbage))
    differences += trial.compare(one, other, " of acting with garbage", step=half)
    try:
        parameters = trial.parameters()
    except NotChecked:
        return differences
    part = steps_of(rest, slice(trial.quarter))
    clean, dirty = (
        gradients_of_window(trial, parameters, part, s, is_first[:, : trial.quarter]) for s in (state, garbage)
    )
    return [*differences, compare_gradients(clean, dirty)]


def deletion(trial: Trial) -> list[Difference]:
    """Property 6: the same with deletion and without, in windows of a quarter and of one step."""
    trial.needs("window_keeping_all", "policies that delete nothing, or put other slots in their place, need none")
    differences = []
    for size in (trial.quarter, 1):
        kept, deleted = (
            trial.windows(trial.observation, trial.begin(), trial.is_first, size, keep_all=keep_all)
            for keep_all in (True, False)
        )
        if trial.has("num_slots") and torch.equal(
            trial.policy.num_slots(kept.state), trial.policy.num_slots(deleted.state)
        ):
            raise NotChecked(f"nothing was deleted in {trial.steps} steps; use more steps")
        differences += trial.compare(kept, deleted, f" with deletion, windows of {size}")
    return differences


def deletion_limit(trial: Trial) -> str:
    """What limits property 6: "" if memories of the running episode were deleted, too."""
    if not (trial.has("num_slots") and trial.has("window_keeping_all")):
        return ""
    kept, deleted = (
        trial.policy.num_slots(
            trial.windows(trial.observation, trial.begin(), trial.is_first, trial.quarter, keep_all=keep_all).state
        )
        for keep_all in (True, False)
    )
    if int(deleted[0]) < int(kept[0]):  # row 0 is one long episode
        return ""
    return f"only memories of finished episodes were deleted in {trial.steps} steps; more steps check more"


def saved_state(trial: Trial) -> list[Difference]:
    """Property 10: a state that was written as named tensors and read back goes on as before."""
    half = 2 * trial.quarter
    state = _half_way(trial)
    if not (callable(getattr(state, "tensors", None)) and callable(getattr(type(state), "from_tensors", None))):
        raise NotChecked(f"its state, a {type(state).__name__}, has no tensors() and from_tensors()")
    named = {name: tensor.detach().clone().contiguous() for name, tensor in state.tensors().items()}
    read = type(state).from_tensors(named)
    rest, is_first = steps_of(trial.observation, slice(half, None)), trial.is_first[:, half:]
    one, other = (trial.windows(rest, s, is_first, trial.quarter) for s in (state, read))
    differences = trial.compare(one, other, " after from_tensors()", step=half)
    again = read.tensors()
    if again.keys() != named.keys():
        raise AssertionError(f"tensors() named {sorted(named)} before, and {sorted(again)} after from_tensors()")
    for name, tensor in named.items():
        flat, flat_again = (t.to(trial.dtype).reshape(1, -1) for t in (tensor, again[name]))
        if tensor.numel():
            differences.append(compare_steps(f"the state's tensor {name}, element", flat, flat_again, trial.tolerance))
    return differences


def _half_way(trial: Trial) -> Any:
    """The state after half of the steps."""
    half = 2 * trial.quarter
    before = steps_of(trial.observation, slice(half))
    return trial.windows(before, trial.begin(), trial.is_first[:, :half], trial.quarter).state
