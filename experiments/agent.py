"""`rlmem.Agent`: an agent as a library object, shaped as users of Stable-Baselines3 expect.

agent = rlmem.Agent("rlmem/Corridor-v0", num_envs=16).learn(200_000)
action, state = agent.predict(observation, state, episode_start)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from rlmem.actor_critic import ActorCritic
from rlmem.agents.learner_config import LearnerConfig
from rlmem.agents.trainer import Trainer
from rlmem.envs.vectorise import make_vector_env, vectorise
from rlmem.errors import check
from rlmem.experiments.checkpoints import load_checkpoint, write_checkpoint
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.run_directory import RunDirectory, find_run, is_pretrained, read_config
from rlmem.experiments.tasks import make_envs
from rlmem.experiments.train_config import TrainConfig, read_section
from rlmem.memory_state import MemoryState
from rlmem.model_config import ModelConfig
from rlmem.observation_leaves import leaf_spaces, leaves
from rlmem.window import Window

VectorEnv = gym.vector.VectorEnv[Any, Any, Any]
MakeEnvs = Callable[[], VectorEnv]


class Agent:
    """A policy with memory and, once it learns, its trainer.

    Args:
        env: Gymnasium's id; one environment; or a vector environment with SAME_STEP autoreset.
        model: sizes and the memory's kind.
        learner: algorithm and coefficients.
        num_envs: how many environments to make of an id; ignored for environments that are made already.
        env_kwargs: the environment's keywords, with an id.
        seed: of weights, environments, actions and minibatches.
        device: where the policy runs.

    Raises:
        UsageError: there is no such environment, or nothing serves its spaces.

    Attributes:
        policy: the actor-critic.
        num_timesteps: environment steps that the agent has learned from.
    """

    def __init__(
        self,
        env: str | gym.Env[Any, Any] | VectorEnv,
        *,
        model: ModelConfig | None = None,
        learner: LearnerConfig | None = None,
        num_envs: int = 16,
        env_kwargs: Mapping[str, Any] | None = None,
        seed: int = 1,
        device: DeviceChoice = "auto",
    ) -> None:
        envs = _as_vector_env(env, num_envs, env_kwargs or {})
        learner = learner or LearnerConfig(num_minibatches=min(4, envs.num_envs))
        torch.manual_seed(seed)
        policy = ActorCritic(
            model or ModelConfig(position_reach=learner.num_steps),
            envs.single_observation_space,
            envs.single_action_space,
        )
        self._begin(policy.to(choose_device(device)), learner, seed, lambda: envs)

    def _begin(self, policy: ActorCritic, learner: LearnerConfig, seed: int, make: MakeEnvs | None) -> None:
        self.policy, self.learner, self.seed = policy, learner, seed
        self.num_timesteps = 0
        self._make_envs = make
        self._trainer: Trainer | None = None
        self._saved: tuple[dict[str, torch.Tensor], dict[str, Any]] | None = None
        self._actions = torch.Generator(policy.heads.weight.device).manual_seed(seed)

    @classmethod
    def load(
        cls,
        run: str | Path,
        env: str | gym.Env[Any, Any] | VectorEnv | None = None,
        *,
        device: DeviceChoice = "auto",
        output: str | Path = "runs",
    ) -> Agent:
        """An agent from disk.

        Args:
            run: a folder that `save` wrote; or a run as `rlmem eval` takes it: a folder, a name in `output`, or the
                name of pretrained weights.
            env: to learn in; None takes the run's own task, and after `save` there is none.
            device: where the policy runs.
            output: folder of all runs.

        Raises:
            UsageError, CheckpointError, ConfigError: nothing has that name, or its files are not whole.
        """
        chosen = choose_device(device)
        agent = cls.__new__(cls)
        make = None if env is None else _making(env)
        if (Path(run) / "state.json").is_file():
            policy, tensors, state = load_checkpoint(Path(run), chosen)
            learner = read_section(LearnerConfig, state["agent"]["learner"], "learner")
            agent._begin(policy, learner, int(state["agent"]["seed"]), make)
            agent._saved = (tensors, state) if "timesteps" in state else None
            agent.num_timesteps = int(state.get("timesteps", 0))
            return agent
        path = find_run(str(run), Path(output))
        config = read_config(path, TrainConfig.from_json)
        from rlmem.checkpoint import load_policy

        weights = path if is_pretrained(path) else RunDirectory(path).checkpoints.choose(None, f"rlmem eval {path}")
        own = make or (lambda: make_envs(config.task, config.environment, config.run.num_envs))
        agent._begin(load_policy(weights / "model.safetensors", chosen), config.learner, config.run.seed, own)
        return agent

    @torch.no_grad()
    def predict(
        self,
        observation: Any,
        state: MemoryState | None = None,
        episode_start: ArrayLike | None = None,
        deterministic: bool = False,
    ) -> tuple[NDArray[Any], MemoryState]:
        """Choose actions; what the agent remembers goes in and comes out.

        Args:
            observation: one observation, or a batch of them as a vector environment gives it.
            state: what the last call returned; None: every row begins with an empty memory.
            episode_start: (rows,) bool, True where the observation is the first of an episode; None: all of them if
                `state` is None, otherwise none.
            deterministic: take the likeliest action instead of a sample.

        Returns:
            Actions as the environment takes them, one for each row, or one for one observation; and the new state. The
            old one stays as it was.

        Raises:
            UsageError: the observation is not of the agent's space, or the state has another number of rows.
        """
        space = self.policy.observation_space
        arrays = tuple(np.asarray(leaf) for leaf in leaves(space, observation))
        is_one = self._check_shapes(arrays)
        device = self.policy.heads.weight.device
        batch = tuple(torch.as_tensor(leaf[None] if is_one else leaf, device=device) for leaf in arrays)
        rows = len(batch[0])
        starts = np.full(rows, state is None) if episode_start is None else np.atleast_1d(np.asarray(episode_start))
        state = state or self.policy.core.initial_state(rows)
        check(
            state.batch == rows and starts.shape == (rows,),
            f"got {rows} observations with a state of {state.batch} rows and episode_start of shape {starts.shape}; "
            "give one row of each for every observation",
        )
        is_first = torch.as_tensor(starts, dtype=torch.bool, device=device)
        cache = self.policy.open(state, 1)
        outputs, _, _ = cache.step(batch, is_first)
        window = Window.following(state, is_first[:, None])
        state = self.policy.core.carry(state, cache.layer_inputs(), window)
        head = self.policy.action_head
        chosen = head.mode(outputs) if deterministic else head.sample(outputs, head.noise((rows,), self._actions))
        action = head.to_environment(chosen.cpu().numpy())
        return (action[0] if is_one else action), state

    def learn(self, total_timesteps: int, callback: Callable[[dict[str, float]], object] | None = None) -> Agent:
        """Learn from so many more environment steps, rounded up to whole windows; returns the agent.

        Args:
            total_timesteps: over all environments, at least 1.
            callback: called after each window with its metrics by name.

        Raises:
            UsageError: the agent has no environments to learn in.
            DivergedError: the loss is no finite number any more.
        """
        check(total_timesteps >= 1, f"total_timesteps is {total_timesteps}, but it must be at least 1")
        trainer = self._trainer or self._make_trainer()
        trainer.total_timesteps = trainer.timesteps + total_timesteps
        while not trainer.is_finished:
            metrics = trainer.iterate()
            self.num_timesteps = trainer.timesteps
            if callback is not None:
                callback(metrics)
        return self

    def save(self, path: str | Path) -> None:
        """Write the agent to a new folder, which `load` reads: weights, and what learning needs to go on.

        Args:
            path: of the folder.

        Raises:
            UsageError: there is something of that name already.
        """
        folder = Path(path)
        check(not folder.exists(), f"{folder} exists and is not overwritten; choose another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        tensors, state = self._saved or ({}, {})
        if self._trainer is not None:
            tensors, state = self._trainer.tensors(), self._trainer.state_dict()
        own = {"learner": asdict(self.learner), "seed": self.seed}
        write_checkpoint(folder, self.policy, tensors, {**state, "agent": own})

    def _make_trainer(self) -> Trainer:
        check(self._make_envs is not None, "this agent has no environments to learn in; give Agent.load an env")
        assert self._make_envs is not None
        envs = self._make_envs()
        device = self.policy.heads.weight.device
        self._trainer = Trainer(envs, self.policy, self.learner, seed=self.seed, total_timesteps=1, device=device)
        if self._saved is not None:
            self._trainer.load(*self._saved)
            self._saved = None
        return self._trainer

    def _check_shapes(self, arrays: tuple[NDArray[Any], ...]) -> bool:
        """True for one observation, False for a batch."""
        spaces = leaf_spaces(self.policy.observation_space)
        shapes = [leaf.shape for leaf in spaces.values()]
        if all(array.shape == shape for array, shape in zip(arrays, shapes, strict=True)):
            return True
        batch = {array.shape[:1] for array in arrays}
        fits = [array.shape[1:] == shape for array, shape in zip(arrays, shapes, strict=True)]
        check(
            all(fits) and len(batch) == 1,
            f"got an observation of shapes {[array.shape for array in arrays]}, but the agent's are {shapes}, or with "
            "one leading dimension for a batch",
        )
        return False


def _as_vector_env(env: str | gym.Env[Any, Any] | VectorEnv, num_envs: int, env_kwargs: Mapping[str, Any]) -> VectorEnv:
    if isinstance(env, str):
        return make_vector_env(env, num_envs, **env_kwargs)
    check(not env_kwargs, "env_kwargs go with an environment's id, but an environment was given; leave them out")
    return vectorise(lambda: env, 1) if isinstance(env, gym.Env) else env


def _making(env: str | gym.Env[Any, Any] | VectorEnv) -> MakeEnvs:
    return lambda: _as_vector_env(env, 16, {})
