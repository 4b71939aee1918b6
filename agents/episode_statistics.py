"""Returns, lengths and successes of the episodes that ended lately."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECENT_EPISODES = 500
FEW_EPISODES = 100  # the first episodes to end are the short and lucky ones: their success rate says little


class EpisodeStatistics:
    """Running returns of each environment and a record of the last `RECENT_EPISODES` episodes.

    Args:
        num_envs: environments, each with one running episode.
        score: name of a number that tells how far an episode came, or None.
    """

    def __init__(self, num_envs: int, score: str | None = None) -> None:
        self.score = score
        self.running_return = np.zeros(num_envs, dtype=np.float64)
        self.running_length = np.zeros(num_envs, dtype=np.int64)
        self.episodes = 0
        self.returns: deque[float] = deque(maxlen=RECENT_EPISODES)
        self.lengths: deque[int] = deque(maxlen=RECENT_EPISODES)
        self.successes: deque[bool] = deque(maxlen=RECENT_EPISODES)
        self.scores: deque[float] = deque(maxlen=RECENT_EPISODES)

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
        return float(np.mean(self.successes)) if len(self.successes) >= FEW_EPISODES else None

    def metrics(self) -> dict[str, float]:
        """Means over the recent episodes, under SB3's names; empty before the first one ended."""
        if not self.returns:
            return {}
        reported: dict[str, deque[Any]] = {f"rollout/{self.score}": self.scores, "rollout/success_rate": self.successes}
        return {
            **{name: float(np.mean(values)) for name, values in reported.items() if values},
            "rollout/ep_rew_mean": float(np.mean(self.returns)),
            "rollout/ep_len_mean": float(np.mean(self.lengths)),
            "rollout/episodes": float(self.episodes),
        }

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
            setattr(self, name, deque(state[name], maxlen=RECENT_EPISODES))
