"""`rlmem trace RUN` of a language model: show for how long it remembers each symbol of a passage, layer by layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console

from rlmem.checkpoint import load_language_model
from rlmem.errors import RlmemError, check, flag
from rlmem.experiments.arguments import RunArgument, Switch, parse, value_of
from rlmem.experiments.atomic_files import write_bytes, write_json
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.lm.passage import Passage, Spelling
from rlmem.experiments.lm.passage_source import file_text, run_spelling, split_passage, text_passage
from rlmem.experiments.lm.run_folder import LanguageRunFolder
from rlmem.experiments.lm.text_readings import Readings, read_passage
from rlmem.experiments.lm.text_summary import readings_summary, summary_lines
from rlmem.experiments.lm.text_trace_files import write_readings
from rlmem.experiments.lm.text_trace_payload import TextContext, readings_payload
from rlmem.experiments.run_directory import LANGUAGE_MODEL, find_run, is_pretrained, run_kind
from rlmem.experiments.trace_files import check_free
from rlmem.model_config import ModelConfig

_FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
_KINDS_WITH_A_RAMP = ("expire_span", "adaptive_span")


@dataclass(frozen=True)
class TextTraceArguments:
    """Read a passage with a language model's weights; trace.npz, .html and summary.json say what its memory did."""

    run: RunArgument
    """Folder or name of a run."""
    split: Literal["valid", "test"] = "test"
    """Which data to read, if no text is given."""
    start: int = 0
    """The passage's first symbol in that data."""
    length: int = 2000
    """How many symbols to read; of a text that is given, as many as it has."""
    text: str | None = None
    """Read this text; the names of a made-up task's symbols with spaces between."""
    prompt_file: str | None = None
    """Read the text of this file."""
    replace: Annotated[tuple[str, ...], tyro.conf.UseAppendAction] = ()
    """OLD=NEW: read the passage again with a word replaced, and compare the spans; may be given several times."""
    limit: int | None = None
    """Read it again seeing nothing more than so many symbols back, and list the predictions that got worse."""
    out: str | None = None
    """Folder for the files; trace-NAME if not given, NAME being the run's."""
    figure: str | None = None
    """Also draw the coloured text to this file, .png, .pdf or .svg."""
    figure_start: int | None = None
    """The figure's first symbol; if not given, the passage's, or a little before the first replaced word."""
    figure_length: int = 300
    """How many symbols the figure shows."""
    figure_layers: tuple[int, ...] = ()
    """Layers that it shows, 1 being the first; all if not given."""
    checkpoint: str | None = None
    """Name of a checkpoint, such as step_2000; the newest if not given."""
    data: str | None = None
    """Where a text is, if not where it was when the run was made."""
    seed: int = 0
    """Of data that is made up."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    quiet: Switch = False
    """Print nothing."""
    device: DeviceChoice = "auto"
    """Where the model runs."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        for name in ("length", "figure_length"):
            check(getattr(self, name) >= 1, f"{flag(name)} is {getattr(self, name)}, but it must be at least 1")
        for name in ("start", "seed", "limit", "figure_start"):
            value = getattr(self, name)
            check(value is None or value >= 0, f"{flag(name)} is {value}, but it cannot be negative")
        check(
            self.text is None or self.prompt_file is None,
            "--text and --prompt-file were both given, but only one passage is read; leave one out",
        )
        has_text = self.text is not None or self.prompt_file is not None
        check(
            not has_text or self.start == 0,
            f"--start is {self.start}, but the text that was given is read from its first symbol; leave it out",
        )
        check(
            self.figure is None or Path(self.figure).suffix in _FIGURE_SUFFIXES,
            f"--figure {self.figure!r} has no ending that says what to draw; use {', '.join(_FIGURE_SUFFIXES)}",
        )
        _ = self.replacements  # refuses what is no OLD=NEW

    @property
    def replacements(self) -> list[tuple[str, str]]:
        """What to replace by what."""
        pairs = []
        for one in self.replace:
            old, is_pair, new = one.partition("=")
            check(
                bool(is_pair and old.strip() and new.strip()),
                f"--replace {one!r} is no OLD=NEW; write for instance --replace Egypt=somewhere",
            )
            pairs.append((old, new))
        return pairs


def is_for_language_model(argv: Sequence[str]) -> bool:
    """True if the words after `rlmem trace` name a language model's run.

    Raises:
        UsageError: they begin with the name of a run and there is none; which flags there are would be unknown.
    """
    root = Path(value_of(argv, "--output") or "runs")
    for word in argv:
        if not word.startswith("-"):
            try:
                return run_kind(find_run(word, root)) == LANGUAGE_MODEL
            except RlmemError:  # a flag's value, or a run that the command itself refuses
                continue
    if argv and not argv[0].startswith("-"):
        find_run(argv[0], root)
    return False


def run(argv: Sequence[str]) -> int:
    """Run `rlmem trace` on a language model's run; returns the exit code."""
    arguments = parse(TextTraceArguments, argv, "trace")
    device = choose_device(arguments.device)
    folder = LanguageRunFolder(find_run(arguments.run, Path(arguments.output)))
    weights = folder.path
    if not is_pretrained(weights):
        weights = folder.checkpoints.choose(arguments.checkpoint, f"rlmem trace {folder.path}")
    plan = _plan(arguments, folder.path.resolve().name)
    model = load_language_model(weights / "model.safetensors", device)
    _check_layers(arguments, model.config)
    spelling = run_spelling(folder)
    console = Console(quiet=arguments.quiet or arguments.json, highlight=False, soft_wrap=True)
    passage, source = _passage(folder, spelling, arguments, console)
    readings = read_passage(model, spelling, passage, replacements=arguments.replacements, limit=arguments.limit)
    named = {"run": str(folder.path), "checkpoint": weights.name, "task": folder.config.task, "passage": source}
    summary = {**named, "memory": model.config.memory, **readings_summary(readings)}
    _write(plan, readings, summary, _context(folder, model.config, source))
    if "figure" in plan:
        _write_figure(plan["figure"], readings, arguments, f"{folder.path.resolve().name}, {source}")
    for line in summary_lines(summary):
        console.print(line, markup=False)
    for file in plan.values():
        console.print(f"wrote {file}", markup=False)
    if arguments.json:
        print(json.dumps({**summary, "files": {name: str(file) for name, file in plan.items()}}))
    return 0


def _plan(arguments: TextTraceArguments, run_name: str) -> dict[str, Path]:
    """The files of a command, none of which exists.

    Raises:
        UsageError: one does.
    """
    folder = Path(arguments.out or f"trace-{run_name}")
    plan = {"traces": folder / "trace.npz", "page": folder / "trace.html", "summary": folder / "summary.json"}
    if arguments.figure is not None:
        plan["figure"] = Path(arguments.figure)
    check_free(list(plan.values()))
    return plan


def _check_layers(arguments: TextTraceArguments, config: ModelConfig) -> None:
    for layer in arguments.figure_layers:
        check(
            1 <= layer <= config.num_layers,
            f"--figure-layers has {layer}, but the model's layers are 1 to {config.num_layers}",
        )


def _passage(
    folder: LanguageRunFolder, spelling: Spelling, arguments: TextTraceArguments, console: Console
) -> tuple[Passage, str]:
    """What to read, and a few words on where it is from."""
    if arguments.text is None and arguments.prompt_file is None:
        passage = split_passage(
            folder, spelling, arguments.split, arguments.start, arguments.length, data=arguments.data,
            seed=arguments.seed,
        )  # fmt: skip
        if passage.length < arguments.length:
            console.print(f"the {arguments.split} data ends after {passage.length:,} symbols", markup=False)
        return passage, f"{arguments.split} data from symbol {arguments.start:,}"
    text = arguments.text if arguments.prompt_file is None else file_text(arguments.prompt_file)
    passage = text_passage(spelling, text or "")
    if unknown := spelling.count_unknown(passage.symbols):
        console.print(f"{unknown:,} symbols of the text are not in the run's vocabulary", markup=False)
    return passage, "a given text" if arguments.prompt_file is None else Path(arguments.prompt_file).name


def _context(folder: LanguageRunFolder, config: ModelConfig, source: str) -> TextContext:
    ramp = config.ramp if config.memory in _KINDS_WITH_A_RAMP else 0
    title = f"{folder.path.resolve().name}, {source}"
    return TextContext(title, folder.config.task, config.memory, config.max_span, ramp)


def _write(plan: dict[str, Path], readings: Readings, summary: dict[str, Any], context: TextContext) -> None:
    from rlmem.experiments.lm.text_trace_page import render_text_page

    plan["traces"].parent.mkdir(parents=True, exist_ok=True)
    write_readings(plan["traces"], readings)
    write_bytes(plan["page"], render_text_page(readings_payload(readings, context)).encode())
    write_json(plan["summary"], summary)


def _write_figure(path: Path, readings: Readings, arguments: TextTraceArguments, title: str) -> None:
    from rlmem.experiments.lm.text_trace_figure import figure_parts, text_figure

    parts = figure_parts(readings, arguments.figure_start, arguments.figure_length)
    layers = [layer - 1 for layer in arguments.figure_layers] or range(len(readings.original.layers))
    path.parent.mkdir(parents=True, exist_ok=True)
    text_figure(parts, layers, title).savefig(path, dpi=200)
