"""One training: environments, policy, learner and every random generator, advanced window by window.

A trainer can be taken apart into named tensors and plain values, and put together again to the bit.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from rlmem.actor_critic import ActorCritic
from rlmem.agents.device_collector import collector_for
from rlmem.agents.episode_statistics import EpisodeStatistics
from rlmem.agents.learner import Learner
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.memory_metrics import memory_metrics
from rlmem.agents.optimizer import load_optimizer, optimizer_tensors
from rlmem.agents.ranks import ALONE, Ranks
from rlmem.errors import check
from rlmem.memory_state import MemoryState


class Trainer:
    """Collects, updates and carries memory, until `total_timesteps` environment steps are done.

    Args:
        envs: vector environment of the rank's own, with SAME_STEP autoreset; with `state_dict` and `load_state_dict` it
            resumes exactly.
        policy: the actor-critic, on `device`; the first rank's weights are everyone's.
        config: algorithm and coefficients.
        seed: of the environments, the actions and the minibatches' order.
        total_timesteps: length of the run, in environment steps over all environments.
        device: of the policy.
        word: the word whose steps' spans are logged apart, or None.
        score: name of the number in `info` that tells how far an episode came, or None.
        ranks: that train with this one, each with as many environments.
    """

    def __init__(
        self,
        envs: gym.vector.VectorEnv[Any, Any, Any],
        policy: ActorCritic,
        config: LearnerConfig,
        *,
        seed: int,
        total_timesteps: int,
        device: torch.device | str = "cpu",
        word: str | None = None,
        score: str | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        check(
            config.algorithm == "a2c" or config.num_minibatches <= envs.num_envs,
            f"--num-minibatches {config.num_minibatches} is more than --num-envs {envs.num_envs}, but a minibatch is "
            "made of whole environments; lower it",
        )
        self.envs, self.policy, self.word, self.ranks = envs, policy, word, ranks
        self.total_timesteps, self.timesteps = total_timesteps, 0
        self._seed = ranks.seed(seed)
        self._actions = torch.Generator(device).manual_seed(self._seed)
        self._order = torch.Generator().manual_seed(seed)
        make_collector = collector_for(envs, policy, config.num_steps)
        self.collector = make_collector(envs, policy, config.num_steps, self._actions, self._seed, score, ranks)
        self.learner = Learner(policy, config, self._order, ranks)
        ranks.copy_first(policy)

    @property
    def model(self) -> ActorCritic:
        """The policy, under the name that every trainer has for what learns."""
        return self.policy

    @property
    def steps_done(self) -> int:
        """Environment steps so far."""
        return self.timesteps

    @property
    def total_steps(self) -> int:
        """Length of the run, in environment steps."""
        return self.total_timesteps

    @property
    def is_finished(self) -> bool:
        """True once the run has its steps."""
        return self.timesteps >= self.total_timesteps

    @property
    def statistics(self) -> EpisodeStatistics:
        """Of the training episodes."""
        return self.collector.statistics

    def iterate(self) -> dict[str, float]:
        """Advance by one window of every environment: collect, update, carry the memory.

        Returns:
            Metrics of all ranks, by name.

        Raises:
            DivergedError: the loss is no finite number; do not save this trainer.
            RankLostError: another rank has ended; do not save it either.
        """
        rollout = self.collector.collect()
        metrics = self.learner.update(
            rollout,
            success_rate=self.statistics.success_rate(),
            progress=self.timesteps / self.total_timesteps,
        )
        evicted = self.collector.carry(rollout)
        self.timesteps += rollout.reward.numel() * self.ranks.size
        metrics |= memory_metrics(self.policy, rollout, evicted, self.word, self.ranks)
        return {**self.statistics.metrics(), **self.ranks.merged(metrics)}

    def tensors(self) -> dict[str, Tensor]:
        """The trainer's tensors beside the policy's weights, by name."""
        collector = self.collector
        named = {f"memory.{name}": tensor for name, tensor in collector.state.tensors().items()}
        named |= {f"observation.{number}": leaf for number, leaf in enumerate(collector.observation)}
        named["is_first"] = collector.is_first
        named |= {"generator.actions": self._actions.get_state(), "generator.order": self._order.get_state()}
        return named | optimizer_tensors(self.learner.optimizer)

    def state_dict(self) -> dict[str, Any]:
        """The rest, in plain values and NumPy arrays; `environments` is None if they cannot save their state."""
        save = getattr(self.envs, "state_dict", None)
        return {
            "timesteps": self.timesteps,
            "is_span_learning": self.learner.is_span_learning,
            "statistics": self.statistics.state_dict(),
            "environments": None if save is None else save(),
        }

    def load(self, tensors: dict[str, Tensor], state: dict[str, Any]) -> None:
        """Restore what `tensors` and `state_dict` gave; load the policy's weights apart.

        Environments that cannot restore their state begin new episodes, from a seed that this run has not used, and the
        memory starts empty with them.
        """
        self.timesteps = int(state["timesteps"])
        self.learner.is_span_learning = bool(state["is_span_learning"])
        self.statistics.load_state_dict(state["statistics"])
        drawn = tensors["generator.actions"].cpu()
        check(
            len(drawn) == len(self._actions.get_state()),
            f"its actions were drawn on another kind of device than {self._actions.device}, whose generator cannot go "
            "on from there; resume it on the kind of device that it began on (its weights work on any)",
        )
        self._actions.set_state(drawn)
        self._order.set_state(tensors["generator.order"].cpu())
        load_optimizer(self.learner.optimizer, tensors)
        restore = getattr(self.envs, "load_state_dict", None)
        if state["environments"] is None or restore is None:
            observation, _ = self.envs.reset(seed=self._seed + self.timesteps)
            self.collector.observation = self.collector.observed(observation)
            self.statistics.running_return[:] = 0
            self.statistics.running_length[:] = 0
            return
        restore(state["environments"])
        self.collector.observation = tuple(
            tensors[f"observation.{number}"] for number in range(len(self.collector.observation))
        )
        self.collector.is_first = tensors["is_first"]
        memory = {name.removeprefix("memory."): t for name, t in tensors.items() if name.startswith("memory.")}
        self.collector.state = MemoryState.from_tensors(memory)
