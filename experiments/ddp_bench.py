"""How much faster several processes train than one: `python -m rlmem.experiments.ddp_bench > FILE`, on Linux.

The preset `corridor` (64 environments × 100 steps, Expire-Span, PPO) as `rlmem train corridor` begins it, the same 64
environments divided among the processes. Every process has one thread and one core. Window by window the first process
trains alone while the others sleep, then all train together, so that both ways meet with the same weather; the first
windows, in which memory fills, are not counted.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch.distributed.rendezvous import rendezvous

from rlmem.agents.ranks import ALONE, ProcessRanks, Ranks
from rlmem.agents.trainer import Trainer
from rlmem.errors import RlmemError, check, flag
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.presets import find_preset
from rlmem.experiments.provenance import provenance
from rlmem.experiments.training_run import make_policy, make_trainer

_MODULE = "rlmem.experiments.ddp_bench"
_WARM_UP = 3  # windows until spans are as long as they begin, and the allocator has what it needs


@dataclass(frozen=True)
class DdpBenchArguments:
    """Measure the training of several processes against that of one, on CPU cores; prints one JSON object."""

    processes: int = 2
    """Processes that train together, each on a core of its own."""
    windows: int = 40
    """Windows of each way; the medians count."""
    worker: Switch = False
    """Be one of the measured processes."""

    def __post_init__(self) -> None:
        for name, least in (("processes", 2), ("windows", 1)):
            value = getattr(self, name)
            check(value >= least, f"{flag(name)} is {value}, but it must be at least {least}")
        cores = len(os.sched_getaffinity(0))
        check(
            self.processes <= cores,
            f"--processes {self.processes} is more than the {cores} cores here; each needs one of its own",
        )


def main(argv: Sequence[str]) -> int:
    """Measure; returns the exit code."""
    arguments = parse(DdpBenchArguments, argv, f"python -m {_MODULE}")
    if arguments.worker:
        work(arguments)
    else:
        print(json.dumps(bench(arguments), indent=2))
    return 0


def bench(arguments: DdpBenchArguments) -> dict[str, Any]:
    """Steps a second of one process and of several, and how they compare.

    Raises:
        RlmemError: a measured process failed.
    """
    words = ["-m", "torch.distributed.run", "--nproc-per-node", str(arguments.processes), "-m", _MODULE, "--worker"]
    words += ["--processes", str(arguments.processes), "--windows", str(arguments.windows)]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    finished = subprocess.run([sys.executable, *words], env=variables, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise RlmemError(f"a measured process failed: {finished.stderr.strip()}")
    seconds: dict[str, list[float]] = json.loads(finished.stdout)
    config = find_preset("corridor")
    steps = config.run.num_envs * config.learner.num_steps
    return {
        "command": f"python -m {_MODULE} --processes {arguments.processes} --windows {arguments.windows}",
        "arguments": {name: value for name, value in asdict(arguments).items() if name != "worker"},
        "preset": config.preset,
        "num_envs": config.run.num_envs,
        "num_steps": config.learner.num_steps,
        "algorithm": config.learner.algorithm,
        "fps": {name: steps / statistics.median(values) for name, values in seconds.items()},
        "ratio": statistics.median(
            alone / together for alone, together in zip(seconds["alone"], seconds["together"], strict=True)
        ),
        "seconds_of_windows": seconds,
        **provenance(),
    }


def work(arguments: DdpBenchArguments) -> None:
    """Train as one of the measured processes; the first one prints the seconds of its windows, alone and together."""
    ranks = ProcessRanks(*next(rendezvous("env://")))
    os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[ranks.rank]})
    torch.set_num_threads(1)
    alone, together = _trainer(ALONE) if ranks.is_first else None, _trainer(ranks)
    seconds: dict[str, list[float]] = {"alone": [], "together": []}
    for window in range(_WARM_UP + arguments.windows):
        if alone is not None:
            taken = _seconds(alone)
        ranks.wait_for_first()
        ranks.highest(0)  # the others have woken
        taken_together = _seconds(together)
        if alone is not None and window >= _WARM_UP:
            seconds["alone"].append(taken)
            seconds["together"].append(taken_together)
    if ranks.is_first:
        print(json.dumps(seconds))
    ranks.leave()


def _trainer(ranks: Ranks) -> Trainer:
    config = find_preset("corridor")
    config = replace(config, run=replace(config.run, device="cpu", num_threads=1, processes=ranks.size))
    return make_trainer(config, make_policy(config), ranks)


def _seconds(trainer: Trainer) -> float:
    started = time.perf_counter()
    trainer.iterate()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
