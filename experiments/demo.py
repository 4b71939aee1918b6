"""`rlmem demo`: train a small agent, and show that it remembers and that it needs its learned spans to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rlmem.errors import check
from rlmem.experiments.arguments import TrainArguments, parse, with_position_reach
from rlmem.experiments.evaluation_plays import EvaluateArguments, evaluate_policy
from rlmem.experiments.presets import find_preset
from rlmem.experiments.run_directory import RunDirectory
from rlmem.experiments.train import create_run, train_to_the_end

TARGET = 0.95
"""Success rate that the demo must reach."""


@dataclass(frozen=True)
class DemoArguments(TrainArguments):
    """Train a small agent on corridors in a few minutes, and show that it remembers."""

    episodes: int = 200
    """Evaluation episodes after the training."""

    def __post_init__(self) -> None:
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem demo`; returns the exit code, 1 if the agent did not learn."""
    arguments = parse(DemoArguments, argv, "demo", DemoArguments(find_preset("corridor", "demo")))
    arguments = with_position_reach(arguments, argv)
    options = arguments.config.environment
    print(f"The task: {options.__doc__} Here: {vars(options)}. Agent's memory: {arguments.config.model.memory}.")
    directory = create_run(arguments, "demo")
    exit_code = train_to_the_end(directory, None, quiet=arguments.quiet)
    return exit_code or show(directory, arguments.episodes)


def show(directory: RunDirectory, episodes: int) -> int:
    """Evaluate a finished run, with its spans and without; print what came of it and what to try next.

    Args:
        directory: the run.
        episodes: how many are played each time.

    Returns:
        0, or 1 if the success rate is below `TARGET`.
    """
    success = _play(directory, episodes, zero_spans=False)
    print(f"success in {episodes} new corridors: {_rate(success)}")
    print(f"memories kept, of the steps so far:  {success['memory_size_mean']:.1f} on average")
    if directory.config.model.memory == "expire_span":
        print(f"the same with every span at 0:       {_rate(_play(directory, episodes, zero_spans=True))}")
    print(_next_steps(directory))
    if success["success_rate"] < TARGET:
        print(f"the agent did not learn the task (below {TARGET}); try another --seed or more --total-timesteps")
        return 1
    return 0


def _play(directory: RunDirectory, episodes: int, *, zero_spans: bool) -> dict[str, Any]:
    from rlmem.checkpoint import load_policy

    path = directory.checkpoints.choose(None, f"rlmem eval {directory.path}")
    policy = load_policy(path / "model.safetensors", directory.config.run.device)
    arguments = EvaluateArguments(str(directory.path), episodes=episodes, zero_spans=zero_spans)
    config = directory.config
    return evaluate_policy(policy, config.task, config.environment, arguments, kinds=("sampled",))


def _rate(figures: dict[str, Any]) -> str:
    low, high = figures["success_rate_interval"]
    return f"{figures['success_rate']:.3f}  (95% interval {low:.3f} to {high:.3f})"


def _next_steps(directory: RunDirectory) -> str:
    path, more = directory.path, 2 * directory.config.run.total_timesteps
    return f"""
The run is in {path}. Try next:
  rlmem eval {path} --episodes 1000
  tensorboard --logdir {path.parent}
  rlmem resume {path} --total-timesteps {more}
  rlmem train corridor                       the whole task, lengths 3 to 200
"""
