"""Where a training's environments live: beside the policy if they and it can, else in NumPy on the CPU."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from rlmem.actor_critic import ActorCritic
from rlmem.experiments.tasks import make_envs
from rlmem.experiments.train_config import TrainConfig
from rlmem.static_acting import has_static_form


def make_training_envs(config: TrainConfig, policy: ActorCritic, num_envs: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The environments that a policy is trained in.

    On CUDA those of our own tasks are played there. Others, those that show the previous action or reward, and those of
    a policy without a static form (recurrent cores) are played on the CPU, whatever the device.

    Args:
        config: of the run, its device decided.
        policy: that will be trained.
        num_envs: how many environments.
    """
    from rlmem.envs.device_env import DeviceWordEnv
    from rlmem.envs.word_vector_env import VectorWordEnv

    envs = make_envs(config.task, config.environment, num_envs)
    is_on_device = config.run.device != "cpu" and has_static_form(policy.core, config.learner.num_steps)
    if is_on_device and isinstance(envs, VectorWordEnv):
        return DeviceWordEnv(envs, policy.heads.weight.device)
    return envs
