"""Returns, lengths and successes of the episodes that ended lately."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlmem.agents.ranks import ALONE, Ranks

RECENT_EPISODES = 500
FEW_EPISODES = 100  # the first episodes to end are the short and lucky ones: their success rate says little


class EpisodeStatistics:
    """Running returns of each environment and a record of the last `RECENT_EPISODES` episodes.

    Several ranks each record an equal part of the recent episodes; rates and means are over all ranks.

    Args:
        num_envs: environments, each with one running episode.
        score: name of a number that tells how far an episode came, or None.
        ranks: that play beside this one.
    """

    def __init__(self, num_envs: int, score: str | None = None, ranks: Ranks = ALONE) -> None:
        self.score, self.ranks = score, ranks
        self._num_recorded = -(-RECENT_EPISODES // ranks.size)
        self.running_return = np.zeros(num_envs, dtype=np.float64)
        self.running_length = np.zeros(num_envs, dtype=np.int64)
        self.episodes = 0
        self.returns: deque[float] = deque(maxlen=self._num_recorded)
        self.lengths: deque[int] = deque(maxlen=self._num_recorded)
        self.successes: deque[bool] = deque(maxlen=self._num_recorded)
        self.scores: deque[float] = deque(maxlen=self._num_recorded)

    def add(
        self,
        reward: NDArray[Any],
        is_last: NDArray[np.bool_],
        is_success: NDArray[np.bool_] | None,
        score: NDArray[Any] | None = None,
    ) -> None:
        """Count one step of every environment.

        Args:
            reward: (num_envs,).
            is_last: (num_envs,), True where the episode ended with this step.
            is_success: (num_envs,), read where `is_last`; None if the environments do not report it.
            score: (num_envs,), read where `is_last`; None if the environments report none.
        """
        self.running_return += reward
        self.running_length += 1
        if is_last.any():
            self.episodes += int(is_last.sum())
            self.returns.extend(self.running_return[is_last].tolist())
            self.lengths.extend(self.running_length[is_last].tolist())
            if is_success is not None:
                self.successes.extend(is_success[is_last].tolist())
            if score is not None:
                self.scores.extend(score[is_last].tolist())
            self.running_return[is_last] = 0
            self.running_length[is_last] = 0

    def success_rate(self) -> float | None:
        """Share of the recent episodes that succeeded; None while fewer than `FEW_EPISODES` were reported."""
        count, successes = self._over_ranks(len(self.successes), sum(self.successes))
        return successes / count if count >= FEW_EPISODES else None

    def metrics(self) -> dict[str, float]:
        """Means over the recent episodes, under SB3's names; empty before the first one ended."""
        recorded: dict[str, deque[Any]] = {
            f"rollout/{self.score}": self.scores,
            "rollout/success_rate": self.successes,
            "rollout/ep_rew_mean": self.returns,
            "rollout/ep_len_mean": self.lengths,
        }
        own = [number for values in recorded.values() for number in (len(values), float(np.sum(values)))]
        episodes, *totals = self._over_ranks(self.episodes, *own)
        counted = zip(recorded, totals[::2], totals[1::2], strict=True)
        means = {name: total / count for name, count, total in counted if count}
        return {**means, "rollout/episodes": episodes} if means else {}

    def _over_ranks(self, *numbers: float) -> list[float]:
        """The sum of each number over all ranks."""
        totals: list[float] = self.ranks.total(torch.tensor(numbers, dtype=torch.float64)).tolist()
        return totals

    def state_dict(self) -> dict[str, Any]:
        """Everything, as arrays, lists and numbers."""
        return {
            "running_return": self.running_return.tolist(),
            "running_length": self.running_length.tolist(),
            "episodes": self.episodes,
            "returns": list(self.returns),
            "lengths": list(self.lengths),
            "successes": list(self.successes),
            "scores": list(self.scores),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self.running_return = np.array(state["running_return"], dtype=np.float64)
        self.running_length = np.array(state["running_length"], dtype=np.int64)
        self.episodes = int(state["episodes"])
        for name in ("returns", "lengths", "successes", "scores"):
            setattr(self, name, deque(state[name], maxlen=self._num_recorded))
