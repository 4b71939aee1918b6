"""The process that measures one cell of `rlmem bench`, alone, so that its peak memory is its own.

python -m rlmem.experiments.bench.worker JSON
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rlmem.agents.trainer import Trainer
from rlmem.errors import RlmemError
from rlmem.experiments.bench.cells import AgentCell, EnvironmentCell, cell_from_json, cell_to_json
from rlmem.experiments.bench.figure import Figure
from rlmem.experiments.device import Device
from rlmem.experiments.lm.training_run import peak_device_memory_mib
from rlmem.experiments.presets import find_preset
from rlmem.experiments.tasks import make_envs
from rlmem.experiments.training_run import make_policy, make_trainer

_WARM_UP = 2  # windows beyond those that fill the memory


@dataclass(frozen=True)
class Job:
    """What a process is to measure.

    Args:
        cell: sizes.
        repeats: of every figure.
        threads: of PyTorch.
        device: `cpu` or `cuda`.
    """

    cell: EnvironmentCell | AgentCell
    repeats: int
    threads: int
    device: Device

    def to_json(self) -> str:
        """For the command line."""
        return json.dumps({**vars(self), "cell": cell_to_json(self.cell)})

    @classmethod
    def from_json(cls, text: str) -> Job:
        """What `to_json` gave."""
        data = json.loads(text)
        return cls(**{**data, "cell": cell_from_json(data["cell"])})


def main(argv: Sequence[str]) -> int:
    """Measure and print one JSON object, figures by name; returns the exit code."""
    try:
        job = Job.from_json(argv[0])
        torch.set_num_threads(job.threads)
        print(json.dumps({figure.name: figure.to_json() for figure in measure(job)}))
    except RlmemError as error:
        print(f"rlmem: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(job: Job) -> list[Figure]:
    """The figures of a cell."""
    if isinstance(job.cell, EnvironmentCell):
        return [measure_environment(job.cell, job.repeats)]
    return measure_agent(job.cell, job.repeats, job.device)


def measure_environment(cell: EnvironmentCell, repeats: int) -> Figure:
    """Environment steps a second of a batch environment alone."""
    envs = make_envs(cell.task, find_preset(cell.task).environment, cell.num_envs)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 4, (cell.steps, cell.num_envs))

    def play() -> None:
        for action in actions:
            envs.step(action)

    play()
    rates = [actions.size / _seconds(play) for _ in range(repeats)]
    envs.close()
    return Figure(cell.figure, "steps/s", rates)


def measure_agent(cell: AgentCell, repeats: int, device: Device) -> list[Figure]:
    """Environment steps a second of whole training and of its two parts, and the most memory that the process took.

    Args:
        cell: sizes.
        repeats: windows that are timed, after those that fill the memory.
        device: of the policy.
    """
    config = cell.config(device)
    trainer = make_trainer(config, make_policy(config))
    before = peak_device_memory_mib(device)
    seconds: dict[str, list[float]] = {"acting": [], "learning": [], "training": []}
    _clock(trainer.collector, "collect", seconds["acting"])
    _clock(trainer.learner, "update", seconds["learning"])
    turn = _act if cell.only_acts else Trainer.iterate
    num_warm_ups = cell.live // cell.num_steps + _WARM_UP
    for _ in range(num_warm_ups + repeats):
        started = time.perf_counter()
        metrics = turn(trainer)
        seconds["training"].append(time.perf_counter() - started)
    trainer.envs.close()
    steps = cell.num_envs * cell.num_steps
    seen = {} if cell.only_acts else {"memory_size": metrics["memory/size_mean"]}
    figures = [
        Figure(cell.figure(part), "steps/s", [steps / one for one in seconds[part][num_warm_ups:]], seen)
        for part in (("acting",) if cell.only_acts else seconds)
    ]
    if cell.only_acts:
        return figures
    peak = peak_device_memory_mib(device)
    return [*figures, Figure(cell.figure("peak memory"), "MiB", [peak], {**seen, "before": before})]


def _act(trainer: Trainer) -> dict[str, float]:
    """A window that teaches nothing."""
    trainer.collector.carry(trainer.collector.collect())
    return {}


def _clock(owner: Any, name: str, seconds: list[float]) -> None:
    """Let a method note how long each of its calls takes."""
    method: Callable[..., Any] = getattr(owner, name)

    def timed(*arguments: Any, **keywords: Any) -> Any:
        results: list[Any] = []
        seconds.append(_seconds(lambda: results.append(method(*arguments, **keywords))))
        return results[0]

    setattr(owner, name, timed)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
