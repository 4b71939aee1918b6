"""Playing a fixed list of episodes with a policy or a scripted player, and what is asked of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from rlmem.actor_critic import ActorCritic
from rlmem.agents.evaluation import evaluate, with_zero_spans
from rlmem.agents.first_episodes import play_script
from rlmem.errors import check
from rlmem.experiments.arguments import RunArgument, Switch
from rlmem.experiments.device import DeviceChoice
from rlmem.experiments.evaluation_report import by_length, summarise, summarise_outcome
from rlmem.experiments.tasks import TASKS, TaskOptions, make_envs, make_player
from rlmem.experiments.training_run import evaluation_seeds


@dataclass(frozen=True)
class EvaluateArguments:
    """Play evaluation episodes with a run's weights. Actions are sampled; those of argmax are reported beside them."""

    run: RunArgument
    """Folder or name of a run, or the name of pretrained weights; with --player also a task, such as portal."""
    player: str | None = None
    """A scripted player instead of the run's weights, such as oracle, oracle:50 (remembers 50 steps) or random."""
    episodes: int = 1000
    """How many episodes, each with a seed of its own."""
    seed: int = 0
    """The seeds of the episodes are drawn from this one."""
    deterministic: Switch = False
    """Report argmax actions alone."""
    zero_spans: Switch = False
    """Force every span to 0: what the ramp alone remembers (Expire-Span)."""
    memory_sweep: str | None = None
    """Ages in steps, such as 0,8,32,128: play with memories beyond each age hidden from every layer."""
    lengths: str | None = None
    """Lengths in cells, such as 100,200,400: play corridors of each, trained lengths or longer ones."""
    checkpoint: str | None = None
    """Name of a checkpoint, such as step_64000; the newest if not given."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    batch: int = 256
    """How many episodes are played at once."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")
        check(self.batch >= 1, f"--batch is {self.batch}, but it must be at least 1")
        check(self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")


def evaluate_policy(
    policy: ActorCritic,
    task: str,
    options: TaskOptions,
    arguments: EvaluateArguments,
    kinds: Sequence[str] = ("sampled", "argmax"),
) -> dict[str, Any]:
    """Play the episodes; the report as a JSON-able object.

    Args:
        policy: the weights.
        task: a name of `TASKS`.
        options: keywords of its environment.
        arguments: what was asked for.
        kinds: of actions; the first one's figures are the report's own, the others' are under their names.
    """
    if arguments.zero_spans:
        policy = with_zero_spans(policy)
    seeds = evaluation_seeds(arguments.seed, arguments.episodes)
    report: dict[str, Any] = {"zero_spans": arguments.zero_spans}
    for actions in kinds:
        evaluation = evaluate(
            policy,
            partial(make_envs, task, options),
            seeds,
            deterministic=actions == "argmax",
            batch=arguments.batch,
            word=TASKS[task].word,
        )
        figures = {**summarise(evaluation, TASKS[task].score), "success_by_length": by_length(evaluation, options)}
        if "actions" in report:
            report[actions] = figures
        else:
            report |= {"actions": actions, **figures}
    return report


def evaluate_player(player: str, task: str, options: TaskOptions, episodes: int, seed: int) -> dict[str, Any]:
    """Play the episodes that a policy would play with a scripted player; the report as a JSON-able object.

    Args:
        player: its name.
        task: a name of `TASKS`.
        options: keywords of its environment.
        episodes: how many.
        seed: the episodes' seeds are drawn from this one.
    """
    seeds = evaluation_seeds(seed, episodes)
    outcome = play_script(make_player(task, options, player, seed), partial(make_envs, task, options), seeds)
    figures = summarise_outcome(outcome, TASKS[task].score)
    return {"player": player, **figures, "success_by_length": by_length(outcome, options)}
