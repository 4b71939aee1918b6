"""`rlmem lm bench`: time per batch, peak memory and average memory size, by kind of memory (the paper's table 4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from rlmem import __version__
from rlmem.errors import check, flag
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.device import Device, DeviceChoice, choose_device
from rlmem.experiments.fresh_process import measure_in_fresh_process
from rlmem.experiments.lm.bench_worker import Work
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.train_config import Precision
from rlmem.experiments.provenance import machine
from rlmem.experiments.run_directory import find_run
from rlmem.model_config import ModelConfig

Kind = Literal["transformer_xl", "compressive", "adaptive_span", "expire_span"]
KINDS: tuple[Kind, ...] = ("transformer_xl", "compressive", "adaptive_span", "expire_span")
_RAW = (
    4  # of a compressive memory's reach, one part in four is seen step by step, as about in the paper's (512 of 8.5k)
)


@dataclass(frozen=True)
class LanguageBenchArguments:
    """Measure a batch of training, forward and backward, by kind of memory, each in a process of its own.

    Named runs are measured as they are, at their last checkpoint: sizes, weights, data and full memory. Without a run,
    the four kinds at equal sizes, fresh, on random symbols: spans are then set, not learned, to --span-fraction of L.
    """

    runs: tyro.conf.Positional[tuple[str, ...]] = ()
    """Folders or names of runs."""
    kinds: tuple[Kind, ...] = KINDS
    """Kinds of memory to be measured fresh."""
    max_span: int = 2048
    """L: how far back every kind reaches at most, in steps."""
    span_fraction: float = 0.1
    """Spans of Expire-Span and Adaptive-Span, as a fraction of L."""
    ramp: int = 32
    """R, in steps (Expire-Span, Adaptive-Span)."""
    compression_rate: int = 4
    """c of the compressive memory, a quarter of whose reach is not compressed."""
    num_layers: int = 4
    """Layers."""
    model: int = 128
    """Width of a hidden state."""
    heads: int = 4
    """Attention heads."""
    feedforward: int = 512
    """Width inside the feed-forward block."""
    num_symbols: int = 256
    """Size of the vocabulary."""
    batch: int = 8
    """Rows."""
    block: int = 128
    """T, symbols of each row."""
    fused: bool = True
    """Read memory in the way for long ones."""
    precision: Precision = "float32"
    """Of the arithmetic."""
    repeats: int = 5
    """Batches that are timed; the median counts."""
    threads: int | None = None
    """CPU threads of PyTorch; None leaves its choice."""
    device: DeviceChoice = "auto"
    """Where the model runs."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        for name in ("num_symbols", "batch", "block", "repeats"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        check(len(self.kinds) > 0, "--kinds names none, so that there is nothing to measure; leave it out for all four")
        check(self.max_span >= 16, f"--max-span is {self.max_span}, but to compare kinds it must be at least 16")
        check(0 < self.span_fraction < 1, f"--span-fraction is {self.span_fraction}, but it must lie between 0 and 1")
        check(self.threads is None or self.threads >= 1, f"--threads is {self.threads}, but it must be at least 1")


def run(argv: Sequence[str]) -> int:
    """Run `rlmem lm bench`; returns the exit code."""
    arguments = parse(LanguageBenchArguments, argv, "lm bench")
    device = choose_device(arguments.device)
    rows = {name: measure_alone(name, work) for name, work in works(arguments, device).items()}
    measured_on = {**machine(), "threads": arguments.threads, "device": device, "rlmem": __version__}
    if arguments.json:
        print(json.dumps({"arguments": asdict(arguments), "machine": measured_on, "measured": rows}))
    else:
        print_table(measured_on, rows)
    return 0


def bench_model(memory: Kind, arguments: LanguageBenchArguments) -> ModelConfig:
    """The model of a kind: sizes are equal, and so is the reach, of which a quarter is raw in a compressive memory."""
    raw = arguments.max_span // _RAW
    return ModelConfig(
        num_layers=arguments.num_layers,
        model=arguments.model,
        heads=arguments.heads,
        feedforward=arguments.feedforward,
        position_reach=arguments.block,
        memory=memory,
        max_span=raw if memory == "compressive" else arguments.max_span,
        ramp=arguments.ramp,
        initial_span_fraction=(arguments.span_fraction,),
        compression_rate=arguments.compression_rate,
        num_compressed=max(1, (arguments.max_span - raw) // arguments.compression_rate),
        charge_at_episode_end=False,
        fused=arguments.fused,
    )


def measure_alone(name: str, work: Work) -> dict[str, Any]:
    """What a process of its own measures.

    Raises:
        RlmemError: it failed.
    """
    figures: dict[str, Any] = measure_in_fresh_process(
        "rlmem.experiments.lm.bench_worker", work.to_json(), name, "lower --batch or --max-span"
    )
    return figures


def print_table(measured_on: dict[str, Any], rows: dict[str, dict[str, Any]]) -> None:
    """Print the figures for people."""
    print(", ".join(f"{name} {value}" for name, value in measured_on.items() if value is not None))
    table = Table("", "ms a batch", "peak MiB", "memory size", "tokens/s", "weights")
    table.columns[0].overflow = "fold"
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    for name, row in rows.items():
        table.add_row(
            name,
            f"{row['milliseconds_per_batch']:,.0f}",
            f"{row['peak_memory_mib']:,.0f}",
            f"{row['memory_size_mean']:,.1f}",
            f"{row['tokens_per_second']:,.0f}",
            f"{row['parameters']:,}",
        )
    Console().print(table)


def works(arguments: LanguageBenchArguments, device: Device) -> dict[str, Work]:
    """What is to be measured, by the name of its line.

    Raises:
        UsageError, CheckpointError: a run is not there, is an agent's, or has no whole checkpoint.
    """
    of_runs = {}
    for name in arguments.runs:
        path = find_run(name, Path(arguments.output))
        directory = LanguageRunFolder(path)
        directory.checkpoints.choose(None, f"rlmem lm bench {path}")
        of_runs[str(path)] = Work(device, arguments.repeats, arguments.threads, run=str(path))
    if of_runs:
        return of_runs
    return {
        kind: Work(
            device,
            arguments.repeats,
            arguments.threads,
            model=asdict(bench_model(kind, arguments)),
            num_symbols=arguments.num_symbols,
            batch=arguments.batch,
            block=arguments.block,
            precision=arguments.precision,
        )
        for kind in arguments.kinds
    }
