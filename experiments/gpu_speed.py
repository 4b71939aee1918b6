"""How fast a GPU plays, acts, learns and trains, by the number of environments; and what a long memory costs there."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from rlmem.agents.device_collector import DeviceCollector
from rlmem.agents.trainer import Trainer
from rlmem.captured_step import CapturedStep
from rlmem.envs.corridor_vector import VectorCorridorEnv
from rlmem.envs.device_env import DeviceWordEnv
from rlmem.experiments.device import Device
from rlmem.experiments.gpu_correctness import long_memory, moved
from rlmem.experiments.presets import find_preset
from rlmem.experiments.train_config import TrainConfig
from rlmem.experiments.training_run import make_policy
from rlmem.make_core import make_core
from rlmem.model_config import ModelConfig
from rlmem.window import Window


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """How long some work takes until the device has done it."""
    wait(device)
    started = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - started


def wait(device: torch.device) -> None:
    """Until the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def measure(num_envs: int, num_steps: int, repeats: int, device: torch.device) -> dict[str, float]:
    """Steps a second at a number of environments, on the Corridor's preset, medians; and the most memory taken.

    Args:
        num_envs: environments.
        num_steps: T, of a window.
        repeats: of each figure.
        device: where all of it runs.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    config = bench_config(num_envs, num_steps, device)
    figures = {"environment": environment_seconds(num_envs, num_steps, repeats, device)}
    policy = make_policy(config)
    envs = DeviceWordEnv(VectorCorridorEnv(num_envs), device)
    trainer = Trainer(envs, policy, config.learner, seed=1, total_timesteps=10**9, device=device)
    collector = trainer.collector
    assert isinstance(collector, DeviceCollector), "its environments are on the device"
    for name, is_captured in (("acting_eager", False), ("acting_graph", True)):
        collector.act_by(is_captured=is_captured)
        collector.collect()
        figures[name] = statistics.median(seconds(collector.collect, device) for _ in range(repeats))
    rollout = collector.collect()

    def learn() -> None:
        trainer.learner.update(rollout, success_rate=None, progress=0.0)

    learn()
    figures["learning"] = statistics.median(seconds(learn, device) for _ in range(repeats))
    collector.carry(rollout)
    trainer.iterate()
    figures["training"] = statistics.median(seconds(trainer.iterate, device) for _ in range(repeats))
    rates = {f"{name}_steps_per_second": num_envs * num_steps / taken for name, taken in figures.items()}
    return rates | peak_memory(device)


def bench_config(num_envs: int, num_steps: int, device: torch.device) -> TrainConfig:
    """The Corridor's preset with spans that stay where they are."""
    config = find_preset("corridor")
    learner = replace(config.learner, num_steps=num_steps, learning_rate=1e-9, span_cost=0.0)
    name: Device = "cuda" if device.type == "cuda" else "cpu"
    return replace(config, run=replace(config.run, num_envs=num_envs, device=name), learner=learner)


def environment_seconds(num_envs: int, num_steps: int, repeats: int, device: torch.device) -> float:
    """Seconds of `num_steps` steps of the bare environments, recorded where that can be."""
    envs = DeviceWordEnv(VectorCorridorEnv(num_envs), device)
    envs.reset(seed=1)
    actions = torch.randint(4, (num_envs,), generator=torch.Generator().manual_seed(1)).to(device)
    envs.prepare(num_steps)
    step = CapturedStep(lambda: envs.advance(actions), device)

    def play() -> None:
        for _ in range(num_steps):
            step()

    taken = []
    for _ in range(repeats + 1):
        envs.prepare(num_steps)
        taken.append(seconds(play, device))
    return statistics.median(taken[1:])


def peak_memory(device: torch.device) -> dict[str, float]:
    """The most memory of the device that was taken, in MiB; nothing on a CPU."""
    return {"peak_memory_mib": torch.cuda.max_memory_allocated(device) / 2**20} if device.type == "cuda" else {}


def long_memory_costs(num_slots: int, repeats: int, device: torch.device) -> dict[str, Any]:
    """Seconds of a layer's forward and backward pass over a memory of which a twentieth is alive, fused and plain."""
    inputs = torch.randn(16, 128, 128, device=device)
    is_first = torch.zeros(16, 128, dtype=torch.bool, device=device)
    figures: dict[str, Any] = {"num_slots": num_slots}
    for name, is_fused in (("fused", True), ("plain", False)):
        config = ModelConfig(
            num_layers=1,
            model=128,
            heads=8,
            position_reach=128,
            max_span=num_slots,
            ramp=32,
            initial_span_fraction=(0.05,),
            fused=is_fused,
        )
        core = make_core(config).to(device)
        state = moved(long_memory(config, 16, num_slots), device, torch.float32)
        window = Window.following(state, is_first)

        def both_ways(core: Any = core, state: Any = state, window: Window = window) -> None:
            core.zero_grad()
            core(inputs, state, window).hidden.sum().backward()

        both_ways()
        figures[f"{name}_seconds"] = statistics.median(seconds(both_ways, device) for _ in range(repeats))
    return figures
