"""What the runs of a comparison are compared by: one number a task, by its names in evaluations and logs."""

from __future__ import annotations

from dataclasses import dataclass

from rlmem.experiments.tasks import GYMNASIUM, TASKS

_LOGGED = {"mean_reward": "rollout/ep_rew_mean"}


@dataclass(frozen=True)
class Score:
    """A score of episodes, higher being better.

    Args:
        name: in evaluations.
        threshold: that a good run reaches, if nothing else is asked for; None where none stands out.
    """

    name: str
    threshold: float | None

    @property
    def logged(self) -> str:
        """Its name in metrics.jsonl, over the recent training episodes."""
        return _LOGGED.get(self.name, f"rollout/{self.name}")

    @property
    def label(self) -> str:
        """Its name for people."""
        return self.name.replace("_", " ")

    @property
    def is_rate(self) -> bool:
        """True for a share of the episodes, which lies in [0, 1]."""
        return self.name == "success_rate"


def score_of(task: str) -> Score:
    """The score of a task: how far the agent came where its environment says so, else success; reward elsewhere."""
    if task == GYMNASIUM:
        return Score("mean_reward", None)
    reached = TASKS[task].score
    return Score("success_rate", 0.9) if reached is None else Score(reached, None)
