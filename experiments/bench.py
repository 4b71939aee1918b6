"""`rlmem bench`: how fast this machine plays, acts, learns and trains, and how much memory it takes."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from rlmem import __version__
from rlmem.agents.learner_config import Algorithm
from rlmem.agents.trainer import Trainer
from rlmem.errors import check
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.device import Device, DeviceChoice, choose_device
from rlmem.experiments.peak_memory import peak_memory_mib
from rlmem.experiments.presets import find_preset
from rlmem.experiments.provenance import machine
from rlmem.experiments.tasks import make_envs
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_run import make_policy, make_trainer

_MANY_ENVS = 1024
_BATCH_TASKS = ("corridor", "portal")


@dataclass(frozen=True)
class BenchArguments:
    """Measure speed and memory: batch environments, and Corridor's model at a live memory of 25; medians of repeats."""

    num_envs: int = 64
    """Environments played at once."""
    num_steps: int = 100
    """Steps of a window."""
    repeats: int = 5
    """How often each figure is measured; the median counts."""
    env_steps: int = 2000
    """Steps of each measurement of the bare environments."""
    threads: int | None = None
    """CPU threads of PyTorch; None leaves its choice."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    json: Switch = False
    """Print one JSON object and nothing else."""

    def __post_init__(self) -> None:
        for name in ("num_envs", "num_steps", "repeats", "env_steps"):
            value = getattr(self, name)
            check(value >= 1, f"--{name.replace('_', '-')} is {value}, but it must be at least 1")
        check(self.threads is None or self.threads >= 1, f"--threads is {self.threads}, but it must be at least 1")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem bench`; returns the exit code."""
    arguments = parse(BenchArguments, argv, "bench")
    device = choose_device(arguments.device)
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    figures: dict[str, float] = {}
    for task in _BATCH_TASKS:
        for num_envs in sorted({arguments.num_envs, _MANY_ENVS}):
            figures[f"{task}_steps_per_second_{num_envs}_envs"] = measure_environment(task, num_envs, arguments)
    for algorithm in get_args(Algorithm)[::-1]:
        figures |= measure_training(bench_config(algorithm, device, arguments), arguments.repeats)
    figures["peak_memory_mib"] = peak_memory_mib()
    measured_on = {**machine(), "threads": torch.get_num_threads(), "device": device, "rlmem": __version__}
    if arguments.json:
        print(json.dumps({"arguments": asdict(arguments), "machine": measured_on, **figures}))
    else:
        print_table(measured_on, figures)
    return 0


def bench_config(algorithm: Algorithm, device: Device, arguments: BenchArguments) -> TrainConfig:
    """The plain preset, except that spans stay where they start, so that every window has the same work.

    Args:
        algorithm: A2C makes one pass over a window, PPO the preset's epochs.
        device: `cpu` or `cuda`.
        arguments: sizes.
    """
    config = find_preset("corridor")
    minibatches = min(config.learner.num_minibatches, arguments.num_envs)
    return replace(
        config,
        run=replace(config.run, num_envs=arguments.num_envs, device=device),
        learner=replace(
            config.learner,
            algorithm=algorithm,
            num_steps=arguments.num_steps,
            num_minibatches=minibatches,
            learning_rate=1e-9,
            span_cost=0.0,
        ),
        # Spans of 10 and a ramp of 16: a query sees the last 25 steps.
        model=replace(
            config.model, position_reach=arguments.num_steps, max_span=200, ramp=16, initial_span_fraction=(0.05,)
        ),
    )


def measure_environment(task: str, num_envs: int, arguments: BenchArguments) -> float:
    """Environment steps a second of a batch environment alone, random actions.

    Args:
        task: a name of `TASKS`.
        num_envs: environments in the batch.
        arguments: how many steps and repeats.
    """
    envs = make_envs(task, find_preset(task).environment, num_envs)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 4, (arguments.env_steps, num_envs))

    def play() -> None:
        for action in actions:
            envs.step(action)

    play()
    seconds = statistics.median(_seconds(play) for _ in range(arguments.repeats))
    envs.close()
    return actions.size / seconds


def measure_training(config: TrainConfig, repeats: int) -> dict[str, float]:
    """Steps a second of acting, learning and both, and the memory size that the queries saw.

    Args:
        config: from `bench_config`.
        repeats: how often each is measured.
    """
    trainer = make_trainer(config, make_policy(config))
    for _ in range(2):  # fill the memory, warm the allocator
        metrics = trainer.iterate()
    steps = config.run.num_envs * config.learner.num_steps
    acting, learning, training = [], [], []
    for _ in range(repeats):
        act, learn = _measure_window(trainer)
        acting.append(act)
        learning.append(learn)
        training.append(_seconds(trainer.iterate))
    trainer.envs.close()
    name = config.learner.algorithm
    figures = {f"learning_steps_per_second_{name}": learning, f"training_steps_per_second_{name}": training}
    if name == "a2c":
        figures = {"acting_steps_per_second": acting, **figures}
    rates = {key: steps / statistics.median(seconds) for key, seconds in figures.items()}
    return {**rates, f"memory_size_{name}": metrics["memory/size_mean"]}


def _measure_window(trainer: Trainer) -> tuple[float, float]:
    """Seconds of collecting and of learning from one window, which is carried into memory as in training."""
    started = time.perf_counter()
    rollout = trainer.collector.collect()
    _wait(trainer.policy.heads.weight)
    act = time.perf_counter() - started
    learn = _seconds(lambda: trainer.learner.update(rollout, success_rate=None, progress=0.0))
    trainer.collector.carry(rollout)
    return act, learn


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _wait(tensor: torch.Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize()


def print_table(machine: dict[str, Any], figures: dict[str, float]) -> None:
    """Print machine and figures for people."""
    table = Table("figure", "value", title=", ".join(f"{name} {value}" for name, value in machine.items()))
    table.columns[1].justify = "right"
    for name, value in figures.items():
        table.add_row(name.replace("_", " "), f"{value:,.1f}" if value < 1000 else f"{value:,.0f}")
    Console().print(table)
