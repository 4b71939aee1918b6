"""`rlmem envs`: the environments, what they take and what they give."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

import rlmem  # noqa: F401  (registers the ids)
from rlmem.experiments.arguments import parse

_NOT_TASK_KEYWORDS = {"num_envs", "render_mode"}


@dataclass(frozen=True)
class EnvsArguments:
    """List the environments that rlmem registers with Gymnasium."""


def run(argv: Sequence[str]) -> int:
    """Run `rlmem envs`; returns the exit code."""
    parse(EnvsArguments, argv, "envs")
    for env_id in sorted(name for name, spec in gym.registry.items() if spec.namespace == "rlmem"):
        print(describe_env(env_id))
    return 0


def describe_env(env_id: str) -> str:
    """A few lines about an environment: what it is, its keywords with their defaults, its spaces."""
    spec = gym.spec(env_id)
    creator = load_env_creator(str(spec.vector_entry_point or spec.entry_point))
    keywords = {
        name: parameter.default
        for name, parameter in inspect.signature(creator).parameters.items()
        if name not in _NOT_TASK_KEYWORDS
    }
    env = gym.make(env_id)
    # The entry point may be a thin subclass; the first class with a documented observation says what it is.
    documented = next(kind for kind in type(env.unwrapped).__mro__ if "Observation:" in (kind.__doc__ or ""))
    summary = (inspect.getdoc(documented) or "").partition("\n")[0]
    lines = [
        env_id,
        f"  {summary}",
        f"  keywords      {', '.join(f'{name}={value}' for name, value in keywords.items())}",
        f"  observations  {env.observation_space}",
        f"  actions       {env.action_space}",
    ]
    env.close()
    return "\n".join(lines)
