"""One cell measured in a process of its own."""

from __future__ import annotations

from dataclasses import dataclass

from rlmem.experiments.bench.cells import AgentCell, Cell, EnvironmentCell, LanguageCell
from rlmem.experiments.bench.figure import Figure
from rlmem.experiments.bench.worker import Job
from rlmem.experiments.device import Device
from rlmem.experiments.fresh_process import measure_in_fresh_process
from rlmem.experiments.lm.bench_command import measure_alone


@dataclass(frozen=True)
class Settings:
    """How cells are measured.

    Args:
        repeats: of every figure.
        threads: of PyTorch.
        device: `cpu` or `cuda`.
    """

    repeats: int
    threads: int
    device: Device


def measure_cell(cell: Cell, settings: Settings) -> list[Figure]:
    """The figures of a cell.

    Raises:
        UsageError: its sizes cannot be.
        RlmemError: its process failed.
    """
    if isinstance(cell, LanguageCell):
        return _measure_language(cell, settings)
    if isinstance(cell, AgentCell):
        cell.config(settings.device)  # refuses sizes that cannot be, before a process is started
    name = cell.figure if isinstance(cell, EnvironmentCell) else cell.figure("training")
    job = Job(cell, settings.repeats, settings.threads, settings.device)
    measured = measure_in_fresh_process("rlmem.experiments.bench.worker", job.to_json(), name, "lower --num-envs")
    return [Figure.from_json(figure, data) for figure, data in measured.items()]


def _measure_language(cell: LanguageCell, settings: Settings) -> list[Figure]:
    """By the process of `rlmem lm bench`."""
    work = cell.work(settings.device, settings.threads, settings.repeats)
    measured = measure_alone(cell.figure("lm"), work)
    tokens = measured["batch"] * measured["block"]
    rates = [1000 * tokens / milliseconds for milliseconds in measured["milliseconds"]]
    seen = {"memory_size": measured["memory_size_mean"], "parameters": measured["parameters"]}
    peak = {**seen, "before": measured["memory_before_mib"]}
    return [
        Figure(cell.figure("lm"), "tokens/s", rates, {**seen, "tokens": tokens}),
        Figure(cell.figure("lm peak memory"), "MiB", [measured["peak_memory_mib"]], peak),
    ]
