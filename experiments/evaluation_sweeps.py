"""Evaluations side by side: how much memory an agent needs, and how far what it learned carries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import with_memory_limit
from rlmem.errors import UsageError, check
from rlmem.experiments.evaluation_plays import EvaluateArguments, evaluate_player, evaluate_policy
from rlmem.experiments.tasks import TASKS, CorridorOptions, TaskOptions
from rlmem.model_config import RECURRENT_KINDS, ModelConfig

_STEPS_PER_CELL = 5  # a longer corridor is given so many steps for each of its cells, if that is more than its limit


def memory_sweep(
    policy: ActorCritic, task: str, options: TaskOptions, arguments: EvaluateArguments, limits: Sequence[int]
) -> dict[str, Any]:
    """How the agent fares if no layer sees memories beyond an age; beside it, the scripted players.

    Args:
        policy: the weights.
        task: a name of `TASKS`.
        options: keywords of its environment.
        arguments: what was asked for.
        limits: ages in steps.

    Returns:
        `memory_sweep`, one report a limit with `limit`, the last one with the limit None; `players`, a report each.
    """
    reports = [
        {"limit": limit} | evaluate_policy(with_memory_limit(policy, limit), task, options, arguments, ("sampled",))
        for limit in limits
    ]
    reports.append({"limit": None} | evaluate_policy(policy, task, options, arguments, ("sampled",)))
    names = () if options.previous_action or options.previous_reward else TASKS[task].players
    players = [evaluate_player(name, task, options, arguments.episodes, arguments.seed) for name in names]
    return {"memory_sweep": reports, "players": players}


def length_sweep(
    policy: ActorCritic, task: str, options: TaskOptions, arguments: EvaluateArguments, lengths: Sequence[int]
) -> dict[str, Any]:
    """How the agent fares in corridors of given lengths, trained ones or longer.

    Args:
        policy: the weights.
        task: a name of `TASKS`.
        options: keywords of its environment.
        arguments: what was asked for.
        lengths: in cells.

    Returns:
        `length_sweep`, one report a length with `length` and `needed_reach`, how many steps lie at least between the
        object and the doors; `trained_up_to`; and `reach`, how far back the memory can reach, None if without end.

    Raises:
        UsageError: the task has no lengths, or a length cannot be.
    """
    if not isinstance(options, CorridorOptions):
        raise UsageError(f"--lengths is for the Corridor, but this run's task is {task}; leave it out")
    reports = []
    for length in lengths:
        steps = max(options.max_episode_steps, _STEPS_PER_CELL * length)
        fixed = replace(options, min_length=length, max_length=length, max_episode_steps=steps)
        report = evaluate_policy(policy, task, fixed, arguments, ("sampled",))
        reports.append({"length": length, "needed_reach": length - 2, **report})
    return {"length_sweep": reports, "trained_up_to": options.max_length, "reach": longest_reach(policy.config)}


def longest_reach(config: ModelConfig) -> int | None:
    """How many steps back the last layer can have heard of, one layer handing on to the next; None: without end.

    Args:
        config: of the policy.
    """
    if config.memory in RECURRENT_KINDS:
        return None
    longest = {
        "none": 0,
        "transformer_xl": config.max_span,
        "compressive": config.max_span + config.compression_rate * config.num_compressed,
    }
    # with a ramp, the last step at which any of a memory of span L is seen
    return config.num_layers * longest.get(config.memory, config.max_span + config.ramp - 1)


def read_numbers(text: str, flag: str, least: int) -> list[int]:
    """Whole numbers with commas between, such as 0,8,32.

    Raises:
        UsageError: they are not, or one is too small.
    """
    numbers = []
    for word in text.split(","):
        check(word.strip().isdecimal(), f"{flag} {text!r} is no list of whole numbers; write it like 0,8,32")
        numbers.append(int(word))
        check(numbers[-1] >= least, f"{flag} has {word.strip()}, but it must be at least {least}")
    return numbers
