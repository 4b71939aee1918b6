"""`rlmem train --dry-run`: what a run would be, without running it.

Predicted memory, in bytes, float32, an upper bound that takes every layer's memory to be as full as L allows:

    weights       4 P (2 + k)               weights, gradients and the optimiser's k states (Adam 2, RMSProp 1)
    window        B T (observation + 4 (S + layers model))        observations, spare numbers, layer inputs; S = 16
    memory        4 layers B M model        M = L + R memories a row (Transformer-XL: L)
    activations   4 layers b (6 heads T N + 4 T N + 8 N model + T (8 model + 3 feedforward))
                                            one minibatch of b rows, N = M + T slots, forward and backward
"""

from __future__ import annotations

import json
import math

import numpy as np

from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_run import make_policy
from rlmem.observation_leaves import leaf_spaces

_FLOAT = 4
_SPARE = 16


def print_dry_run(config: TrainConfig) -> None:
    """Print configuration, parameter count and predicted memory; device and threads are decided already."""
    policy = make_policy(config)
    parameters = sum(parameter.numel() for parameter in policy.parameters())
    leaves = leaf_spaces(policy.observation_space).values()
    observation = sum(math.prod(leaf.shape or ()) * np.dtype(leaf.dtype).itemsize for leaf in leaves)
    memory = predicted_memory(config, parameters, observation)
    print(json.dumps(config.to_json(), indent=2))
    print_prediction(parameters, memory)


def print_prediction(parameters: int, memory: dict[str, int]) -> None:
    """Print a model's parameter count and predicted memory, in bytes by purpose."""
    print(f"parameters: {parameters:,}")
    parts = ", ".join(f"{name} {size / 2**20:,.1f}" for name, size in memory.items())
    print(f"predicted memory, at most: {sum(memory.values()) / 2**20:,.0f} MiB ({parts}), beside PyTorch's own")


def predicted_memory(config: TrainConfig, parameters: int, observation: int) -> dict[str, int]:
    """Bytes by purpose, by the formula above.

    Args:
        config: the run.
        parameters: of the policy.
        observation: bytes of one.
    """
    model, learner, num_envs, steps = config.model, config.learner, config.run.num_envs, config.learner.num_steps
    memories = model.max_span + (model.ramp if model.memory == "expire_span" else 0)
    slots = memories + steps
    rows = num_envs if learner.algorithm == "a2c" else -(-num_envs // learner.num_minibatches)
    per_row = (6 * model.heads + 4) * steps * slots + 8 * slots * model.model
    per_row += steps * (8 * model.model + 3 * model.feedforward)
    return {
        "weights": _FLOAT * parameters * (2 + (2 if learner.optimizer == "adam" else 1)),
        "window": num_envs * steps * (observation + _FLOAT * (_SPARE + model.num_layers * model.model)),
        "memory": _FLOAT * model.num_layers * num_envs * memories * model.model,
        "activations": _FLOAT * model.num_layers * rows * per_row,
    }
