"""Whether a GPU computes what it should, and how fast; `python -m rlmem.experiments.gpu_check` prints one JSON object.

Correctness against the CPU in float64, a table of speeds, and a short training on the Corridor: under 8 minutes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import tyro

from rlmem import __version__
from rlmem.errors import UsageError
from rlmem.experiments.cuda_settings import prepare_device
from rlmem.experiments.device import Device, choose_device
from rlmem.experiments.gpu_correctness import check_correctness
from rlmem.experiments.gpu_speed import long_memory_costs, measure
from rlmem.experiments.presets import find_preset
from rlmem.experiments.provenance import machine
from rlmem.experiments.training_run import make_policy, make_trainer


@dataclass(frozen=True)
class GpuCheckOptions:
    """Check a GPU: correctness, speed, and a short training."""

    device: Device = "cuda"
    """What is checked; cpu runs the same code without a GPU, to see that it runs."""
    seconds: float = 120.0
    """How long the Corridor is trained."""
    quick: tyro.conf.FlagCreatePairsOff[bool] = False
    """Tiny sizes and a few windows of training."""


def main(argv: Sequence[str]) -> int:
    """Run the check; returns the exit code: 0, 1 where something is wrong, 2 without a GPU."""
    options = tyro.cli(GpuCheckOptions, args=list(argv), prog="python -m rlmem.experiments.gpu_check")
    try:
        device = torch.device(choose_device(options.device))
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    report = gpu_check(options, device)
    print(json.dumps(report))
    return 0 if report["correctness"]["passed"] else 1


def gpu_check(options: GpuCheckOptions, device: torch.device) -> dict[str, Any]:
    """All of it.

    Args:
        options: sizes.
        device: that is checked.

    Returns:
        What `main` prints.
    """
    started = time.monotonic()
    prepare_device(device.type, tf32=False)
    sizes, num_steps, repeats = ((4,), 6, 1) if options.quick else ((64, 1024, 4096), 100, 3)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    report: dict[str, Any] = {
        "machine": {**machine(), "device": name, "torch": torch.__version__, "rlmem": __version__},
        "correctness": check_correctness(device),
        "speed": {str(num): measure(num, num_steps, repeats, device) for num in sizes},
        "long_memory": long_memory_costs(256 if options.quick else 4096, repeats, device),
        "training": train(options, device),
    }
    return {**report, "elapsed_seconds": time.monotonic() - started}


def train(options: GpuCheckOptions, device: torch.device) -> dict[str, Any]:
    """Train on the demo's Corridor for a while; what became of it."""
    config = find_preset("corridor", "demo")
    num_envs, num_steps = (8, 10) if options.quick else (256, config.learner.num_steps)
    name: Device = "cuda" if device.type == "cuda" else "cpu"
    config = replace(
        config,
        run=replace(config.run, num_envs=num_envs, device=name),
        learner=replace(config.learner, num_steps=num_steps, anneal_lr=False),
    )
    trainer = make_trainer(config, make_policy(config))
    started = time.monotonic()
    metrics: dict[str, float] = {}
    while time.monotonic() - started < (0 if options.quick else options.seconds) or not trainer.steps_done:
        metrics = trainer.iterate()
    trainer.envs.close()
    taken = time.monotonic() - started
    shown = ("rollout/success_rate", "rollout/ep_len_mean", "memory/size_mean", "train/value_loss")
    return {
        "steps": trainer.steps_done,
        "seconds": taken,
        "steps_per_second": trainer.steps_done / taken,
        **{name: metrics[name] for name in shown if name in metrics},
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
