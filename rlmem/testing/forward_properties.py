"""Properties of outputs and values. Each function plays a trial and returns the differences of what must be equal.

Windows are compared with windows, and acting is tied to windows by one property alone: one mistake fails one property.
"""

from __future__ import annotations

import torch
from torch import Tensor

from rlmem.testing.differences import Difference, compare_steps
from rlmem.testing.observations import join_steps, rows_of, steps_of
from rlmem.testing.trial import NotChecked, Played, Trial


def acting(trial: Trial) -> list[Difference]:
    """Property 1: acting step by step gives what windows give, also where one follows the other."""
    observation, is_first, half = trial.observation, trial.is_first, 2 * trial.quarter
    first, rest = slice(0, half), slice(half, None)
    expected = trial.windows(observation, trial.begin(), is_first, trial.quarter)
    acted = trial.acting(observation, trial.begin(), is_first)
    differences = trial.compare(expected, acted, " of acting")
    reached = trial.acting(steps_of(observation, first), trial.begin(), is_first[:, first]).state
    later = trial.windows(steps_of(observation, rest), reached, is_first[:, rest], trial.quarter)
    return differences + trial.compare(expected.after(half), later, " of windows after acting", step=half)


def window_size(trial: Trial) -> list[Difference]:
    """Property 2: one window gives what four and what single steps give; nothing is deleted where that can be asked."""
    keep_all = trial.has("window_keeping_all")
    whole, *parts = (
        trial.windows(trial.observation, trial.begin(), trial.is_first, size, keep_all=keep_all)
        for size in (trial.steps, trial.quarter, 1)
    )
    sizes = (trial.quarter, 1)
    return [
        difference
        for part, size in zip(parts, sizes, strict=True)
        for difference in trial.compare(whole, part, f" in windows of {size}")
    ]


def rows(trial: Trial) -> list[Difference]:
    """Property 3: a row alone, in another order, and cut out of a state gives what it gives in the whole batch."""
    if trial.batch == 1:
        raise NotChecked("the check's batch is a single row; use two or more")
    observation, is_first, half = trial.observation, trial.is_first, 2 * trial.quarter
    together = trial.windows(observation, trial.begin(), is_first, trial.quarter)
    differences = []
    for row in range(trial.batch):
        index = torch.tensor([row], device=trial.device)
        alone = trial.windows(rows_of(observation, index), trial.begin(index), is_first[index], trial.quarter)
        differences += trial.compare(together.rows(index), alone, " of the row alone", row=row)
    order = torch.arange(trial.batch, device=trial.device).flip(0)  # its own inverse
    turned = trial.windows(rows_of(observation, order), trial.begin(order), is_first[order], trial.quarter)
    differences += trial.compare(together, turned.rows(order), " in another order")
    if trial.has("rows"):
        before = steps_of(observation, slice(half))
        state = trial.windows(before, trial.begin(), is_first[:, :half], trial.quarter).state
        rest = rows_of(steps_of(observation, slice(half, None)), order)
        cut = trial.windows(rest, trial.policy.rows(state, order), is_first[order, half:], trial.quarter)
        differences += trial.compare(together.after(half), cut.rows(order), " after rows()", step=half)
    return differences


def boundary(trial: Trial) -> int:
    """The step at which every row begins a new episode, for property 4; inside a quarter."""
    return 2 * trial.quarter + (trial.quarter + 1) // 2


def boundary_outputs(trial: Trial) -> list[Difference]:
    """Property 4: what was observed in one episode changes no output of the next."""
    start = boundary(trial)
    is_first = torch.zeros_like(trial.is_first)
    is_first[:, 0] = is_first[:, start] = True
    changed = join_steps(steps_of(trial.other, slice(0, start)), steps_of(trial.observation, slice(start, None)))
    differences = []
    for size in (trial.steps, trial.quarter, start):
        one, other = (
            trial.windows(observation, trial.begin(), is_first, size) for observation in (trial.observation, changed)
        )
        if torch.equal(one.outputs[:, :start], other.outputs[:, :start]):
            raise NotChecked("other observations gave the same outputs, so the policy cannot see them")
        name = f" after the reset at step {start}, windows of {size}"
        differences += trial.compare(one.after(start), other.after(start), name, step=start)
    return differences


def bootstrap(trial: Trial) -> list[Difference]:
    """Property 7: the value of what follows in the running episode is what acting gives there, and nothing is stored.

    All rows begin their second episode at the same step, so that rows which influence each other do not fail here.
    """
    quarter, length = trial.quarter, 2 * trial.quarter
    end = quarter + (quarter + 1) // 2  # an episode's end, in the middle of a window
    observation, other = (steps_of(tree, slice(length)) for tree in (trial.observation, trial.other))
    is_first = torch.zeros_like(trial.is_first[:, :length])
    is_first[:, 0] = is_first[:, end] = True

    state, seen, finals, taken = trial.begin(), [], [], []
    for step in range(length):
        seen.append(trial.bootstrap(steps_of(observation, step), state))
        finals.append(trial.bootstrap(steps_of(other, step), state))  # must leave no trace
        taken.append(trial.act(steps_of(observation, step), state, is_first[:, step]))
        state = taken[-1].state
    acted, plain = Played.of(taken), trial.acting(observation, trial.begin(), is_first)
    differences = trial.compare(plain, acted, " after bootstrap(), which stores nothing")

    values = torch.stack(seen, dim=1)
    for part in (slice(1, quarter), slice(quarter + 1, end), slice(end + 1, length)):
        if values[:, part].numel():
            expected, found = acted.value[:, part], values[:, part]
            differences.append(compare_steps("bootstrap()", expected, found, trial.tolerance, step=part.start))

    def compare_final(name: str, expected: Tensor, found: Tensor, step: int) -> None:
        name = f"bootstrap() {name}"
        differences.append(compare_steps(name, expected[:, None], found[:, None], trial.tolerance, step=step))

    reached = trial.acting(steps_of(observation, slice(end)), trial.begin(), is_first[:, :end]).state
    running = torch.zeros_like(is_first[:, 0])
    final = trial.act(steps_of(other, end), reached, running)
    compare_final("of the old episode's final observation", final.value, finals[end], end)

    before = steps_of(observation, slice(quarter))  # at a window's end: as in one that is a step longer
    longer = join_steps(before, steps_of(other, slice(quarter, quarter + 1)))
    whole = trial.windows(longer, trial.begin(), is_first[:, : quarter + 1], quarter + 1)
    compare_final("at a window's end", whole.value[:, quarter], finals[quarter], quarter)

    states = [trial.windows(before, trial.begin(), is_first[:, :quarter], quarter).state for _ in range(2)]
    there = trial.bootstrap(steps_of(other, quarter), states[0])
    final = trial.act(steps_of(other, quarter), states[1], running)
    compare_final("after a window", final.value, there, quarter)
    return differences


def absolute_time(trial: Trial) -> list[Difference]:
    """Property 9: rows that have run for 400 million steps give what rows at time 0 give, in float32."""
    trial.needs("starting_at", "policies that do not count absolute time need none")
    differences = []
    times = (torch.zeros_like(trial.late_times()), trial.late_times())
    early, late = (
        trial.windows(trial.observation, trial.begin(times=time), trial.is_first, trial.quarter) for time in times
    )
    differences += trial.compare(early, late, " of windows")
    early, late = (trial.acting(trial.observation, trial.begin(times=time), trial.is_first) for time in times)
    return differences + trial.compare(early, late, " of acting")
