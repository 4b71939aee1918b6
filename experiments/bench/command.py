"""`rlmem bench`: speed and memory of this machine, kept as JSON, shown beside an earlier result."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console

from rlmem.errors import UsageError, check, flag
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.atomic_files import write_bytes, write_json
from rlmem.experiments.bench.comparison import compare
from rlmem.experiments.bench.measurement import Settings, measure_cell
from rlmem.experiments.bench.plan import Sizes, What, plan_cells
from rlmem.experiments.bench.result import Result, read_result, read_results
from rlmem.experiments.bench.scaling import scale_rows
from rlmem.experiments.bench.tables import markdown, print_result
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.provenance import provenance


@dataclass(frozen=True)
class BenchArguments:
    """Measure speed and memory: batch environments, Corridor's agent at 25 live memories, a small language model; each
    in a process of its own, medians of repeats."""

    what: tuple[What, ...] = ("environment", "acting", "learning", "training", "lm")
    """What is measured. scale: all tables over size, in some minutes and with a few GiB: over 16 to 4,096 environments
    (scale-envs), over live memories (scale-live, scale-lm-live), over L at as many live ones (scale-span,
    scale-lm-span)."""
    sizes: tuple[int, ...] = ()
    """Of the tables over size, measure these lines alone, such as 1024 4096; all if not given."""
    num_envs: int = 64
    """Environments played at once, outside of scale."""
    num_steps: int = 100
    """Steps of a window, outside of scale."""
    repeats: int = 5
    """How often each figure is measured; the median counts."""
    env_steps: int = 2000
    """Steps of each measurement of the bare environments."""
    quick: Switch = False
    """Two repeats, 200 steps of the bare environments, and of every table over size the first two lines."""
    threads: int | None = None
    """CPU threads of PyTorch; None leaves its choice."""
    device: DeviceChoice = "auto"
    """Where policies and language models run."""
    compare: str | None = None
    """An earlier result, to which ratios are printed."""
    show: tuple[str, ...] = ()
    """Measure nothing, and take the figures from earlier results, which become one."""
    out: str | None = None
    """File for the result, NAME.json; with tables over size also NAME.md and NAME.png beside it."""
    json: Switch = False
    """Print one JSON object and nothing else."""

    def __post_init__(self) -> None:
        for name in ("num_envs", "num_steps", "repeats", "env_steps"):
            value = getattr(self, name)
            check(value >= 1, f"{flag(name)} is {value}, but it must be at least 1")
        check(len(self.what) > 0, "--what names nothing to measure; leave it out for everything but scale")
        check(self.threads is None or self.threads >= 1, f"--threads is {self.threads}, but it must be at least 1")
        check(
            self.out is None or self.out.endswith(".json"),
            f"--out is {self.out}, but the result is JSON; name it NAME.json",
        )


def run(argv: Sequence[str]) -> int:
    """Run `rlmem bench`; returns the exit code."""
    arguments = parse(BenchArguments, argv, "bench")
    before = None if arguments.compare is None else read_result(Path(arguments.compare))
    if arguments.out is not None and not Path(arguments.out).parent.is_dir():
        raise UsageError(f"--out {arguments.out}: there is no folder {Path(arguments.out).parent}; make it first")
    if arguments.show:
        result = read_results([Path(name) for name in arguments.show])
    else:
        result = measure(arguments, shlex.join(["rlmem", "bench", *argv]))
    comparison = None if before is None else compare(before, result)
    if arguments.json:
        compared = {} if comparison is None else {"compared": {"with": arguments.compare, **comparison.to_json()}}
        print(json.dumps({**result.to_json(), **compared}))
    else:
        print_result(result, before, comparison)
    written = [] if arguments.out is None else write(result, Path(arguments.out))
    if written and not arguments.json:
        print(f"wrote {', '.join(map(str, written))}")
    return 0


def measure(arguments: BenchArguments, command: str) -> Result:
    """Measure what was asked for, one cell after another.

    Args:
        arguments: of the command line.
        command: to be written into the result.

    Raises:
        UsageError: there is no such device, or sizes cannot be.
        RlmemError: a process failed.
    """
    device = choose_device(arguments.device)
    threads = arguments.threads or torch.get_num_threads()
    settings = Settings(2 if arguments.quick else arguments.repeats, threads, device)
    sizes = Sizes(arguments.num_envs, arguments.num_steps, 200 if arguments.quick else arguments.env_steps)
    cells = plan_cells(arguments.what, sizes, quick=arguments.quick, only=arguments.sizes)
    figures = {}
    with Console(stderr=True).status("measuring") as status:
        for number, cell in enumerate(cells, 1):
            status.update(f"measuring {number} of {len(cells)}")
            for figure in measure_cell(cell, settings):
                figures[figure.name] = figure
    kept = {name: figure for name, figure in figures.items() if _is_wanted(name, arguments.what)}
    return Result(command, asdict(arguments), provenance(), device, threads, kept)


def _is_wanted(figure: str, what: Sequence[What]) -> bool:
    """An agent's process measures acting, learning and training at once; which of them were asked for."""
    first = figure.partition(" ")[0]
    return any(one.startswith("scale") for one in what) or first in what or (first == "peak" and "training" in what)


def write(result: Result, path: Path) -> list[Path]:
    """Write a result, and its tables over size with their picture if it holds some; returns the files.

    Args:
        result: of `measure`.
        path: of the JSON file.
    """
    write_json(path, result.to_json())
    tables = scale_rows(result)
    if not tables:
        return [path]
    from rlmem.experiments.bench.scale_figure import scale_figure  # slow to import

    text = "\n\n".join(["# Cost over size", *map(markdown, tables), f"`{result.command}`, {result.rlmem}."])
    write_bytes(path.with_suffix(".md"), f"{text}\n".encode())
    scale_figure(tables).savefig(path.with_suffix(".png"), dpi=110)
    return [path, path.with_suffix(".md"), path.with_suffix(".png")]
