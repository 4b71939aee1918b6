"""`rlmem trace RUN`: show what an agent remembered in an episode, for how long, and whether it mattered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from rich.console import Console

from rlmem.actor_critic import ActorCritic
from rlmem.agents.erasure import ErasureEffect
from rlmem.agents.erasure_ranking import rank_erasures
from rlmem.agents.tracing import EpisodeTrace, trace_episode
from rlmem.checkpoint import load_policy
from rlmem.errors import RlmemError, UsageError, check
from rlmem.experiments.arguments import RunArgument, Switch, parse
from rlmem.experiments.atomic_files import write_bytes, write_json
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.device import DeviceChoice, choose_device
from rlmem.experiments.lm import text_trace_command
from rlmem.experiments.run_directory import find_run, is_pretrained, read_config
from rlmem.experiments.tasks import TASKS, TaskOptions
from rlmem.experiments.trace_env import action_names, make_traced_env
from rlmem.experiments.trace_files import check_free, write_traces
from rlmem.experiments.trace_payload import TraceContext, page_payload
from rlmem.experiments.trace_tables import print_erasures, print_longest_kept, summary_lines
from rlmem.experiments.train_config import read_task
from rlmem.experiments.training_run import evaluation_seeds
from rlmem.experiments.video import MOST_FPS
from rlmem.experiments.video import SUFFIXES as VIDEO_SUFFIXES
from rlmem.model_config import RECURRENT_KINDS
from rlmem.observation_leaves import leaf_spaces
from rlmem.word_space import WordSpace

_FIGURE_SUFFIXES = (".png", ".pdf", ".svg")
_KINDS_WITH_A_RAMP = ("expire_span", "adaptive_span")


@dataclass(frozen=True)
class TraceArguments:
    """Play episodes with a run's weights and write what its memory did to trace.npz and trace.html.

    A language model's run reads a passage instead: rlmem trace RUN --help lists the flags for that run.
    """

    run: RunArgument
    """Folder or name of a run, or the name of pretrained weights."""
    episodes: int = 1
    """How many episodes, each with a seed of its own."""
    seed: int = 0
    """The seeds of the episodes are drawn from this one, as for rlmem eval."""
    out: str | None = None
    """Folder for the files; trace-NAME if not given, NAME being the run's."""
    erase: str = "top:5"
    """top:5: try erasing memories, and list the five of largest effect; or none."""
    figure: str | None = None
    """Also draw the first episode's timeline to this file, .png, .pdf or .svg."""
    video: str | None = None
    """Also write the first episode as a video to this file, .gif, or .mp4 with the extra video."""
    fps: int = 10
    """Steps that the video shows a second."""
    summary: int | None = None
    """Also play so many episodes; summary.json and .png tell which words were kept and whether that mattered."""
    word: str | None = None
    """The word that figure and summary set apart; the task's own if not given."""
    checkpoint: str | None = None
    """Name of a checkpoint, such as step_64000; the newest if not given."""
    deterministic: Switch = False
    """Take the likeliest action instead of a sample."""
    quiet: Switch = False
    """Print nothing."""
    device: DeviceChoice = "auto"
    """Where the policy runs."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.episodes >= 1, f"--episodes is {self.episodes}, but it must be at least 1")
        check(self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")
        check(
            self.summary is None or self.summary >= 1,
            f"--summary is {self.summary}, but it is a number of episodes: at least 1, or leave it out",
        )
        check(
            self.figure is None or Path(self.figure).suffix in _FIGURE_SUFFIXES,
            f"--figure {self.figure!r} has no ending that says what to draw; use {', '.join(_FIGURE_SUFFIXES)}",
        )
        check(
            self.video is None or Path(self.video).suffix in VIDEO_SUFFIXES,
            f"--video {self.video!r} has no ending that says what to write; use {' or '.join(VIDEO_SUFFIXES)}",
        )
        check(1 <= self.fps <= MOST_FPS, f"--fps is {self.fps}, but a video shows from 1 to {MOST_FPS} steps a second")
        _ = self.num_erasures  # refuses what is neither top:N nor none

    @property
    def num_erasures(self) -> int:
        """How many erasures are listed; 0: none is tried."""
        kind, _, number = self.erase.partition(":")
        if self.erase == "none":
            return 0
        is_number = kind == "top" and number.isdecimal() and int(number) >= 1
        check(is_number, f"--erase is {self.erase!r}, but it must be none, or top: and a number, such as top:5")
        return int(number)


@dataclass(frozen=True)
class Plan:
    """Where everything is written; what is not asked for is None."""

    traces: Path
    page: Path
    figure: Path | None
    summary: Path | None
    summary_figure: Path | None
    video: Path | None

    @classmethod
    def of(cls, arguments: TraceArguments, run_name: str) -> Plan:
        """The files of a command, none of which exists.

        Raises:
            UsageError: one does.
        """
        folder = Path(arguments.out or f"trace-{run_name}")
        has_summary = arguments.summary is not None
        plan = cls(
            folder / "trace.npz",
            folder / "trace.html",
            None if arguments.figure is None else Path(arguments.figure),
            folder / "summary.json" if has_summary else None,
            folder / "summary.png" if has_summary else None,
            None if arguments.video is None else Path(arguments.video),
        )
        check_free([file for file in vars(plan).values() if file is not None])
        return plan


def run(argv: Sequence[str]) -> int:
    """Run `rlmem trace`; returns the exit code."""
    if text_trace_command.is_for_language_model(argv):
        return text_trace_command.run(argv)
    arguments = parse(TraceArguments, argv, "trace")
    device = choose_device(arguments.device)
    path = find_run(arguments.run, Path(arguments.output))
    task, options = read_config(path, read_task)
    weights = path
    if not is_pretrained(path):
        weights = Checkpoints(path / "checkpoints", keep=1).choose(arguments.checkpoint, f"rlmem trace {path}")
    plan = Plan.of(arguments, path.resolve().name)
    policy = load_policy(weights / "model.safetensors", device)
    word = _word(policy, task, arguments)
    _check_memory(policy, arguments)
    console = Console(quiet=arguments.quiet, highlight=False, soft_wrap=True)
    if policy.config.memory in RECURRENT_KINDS:
        console.print(
            f"the memory {policy.config.memory} is one state without single memories: no timeline and no erasures"
        )
    traces, effects, payloads = _trace(policy, task, options, arguments, path.resolve().name, console)
    plan.traces.parent.mkdir(parents=True, exist_ok=True)
    write_traces(plan.traces, traces, effects, list(leaf_spaces(policy.observation_space)))
    _write_page(plan.page, payloads)
    if plan.figure is not None:
        _write_figure(plan.figure, traces[0], payloads[0]["title"], word)
    if plan.summary is not None and plan.summary_figure is not None:
        _write_summary(plan, policy, task, options, arguments, word, path.resolve().name, console)
    for number, (trace, of_trace) in enumerate(zip(traces, effects, strict=True)):
        print_longest_kept(trace, number, console)
        print_erasures(of_trace, console)
    for name, file in vars(plan).items():
        if file is not None and name != "video":
            console.print(f"wrote {file}", markup=False)
    if plan.video is not None:  # last: where it fails, the rest is there
        _write_video(plan.video, traces[0], payloads[0], arguments.fps)
        console.print(f"wrote {plan.video}", markup=False)
    return 0


def _word(policy: ActorCritic, task: str, arguments: TraceArguments) -> str | None:
    """The word to set apart: the one asked for, or the task's own.

    Raises:
        UsageError: the agent does not know the word that was asked for.
    """
    if arguments.word is None:
        return TASKS[task].word
    views = [space for space in leaf_spaces(policy.observation_space).values() if isinstance(space, WordSpace)]
    known = [word for view in views for word in view.words]
    check(
        arguments.word in known,
        f"--word is {arguments.word!r}, but the words of this agent are {', '.join(known) or 'none'}",
    )
    return arguments.word


def _check_memory(policy: ActorCritic, arguments: TraceArguments) -> None:
    """Refuse, before any work, what this agent's memory and observations cannot give."""
    is_recurrent = policy.config.memory in RECURRENT_KINDS
    for name in ("figure", "summary"):
        if is_recurrent and getattr(arguments, name) is not None:
            raise UsageError(
                f"the memory {policy.config.memory} is one state without single memories, so there is nothing for "
                f"--{name}; leave it out"
            )
    has_words = any(isinstance(space, WordSpace) for space in leaf_spaces(policy.observation_space).values())
    check(
        has_words or arguments.summary is None,
        "this agent's observations hold no words, so there is nothing for --summary; leave it out",
    )


def _trace(
    policy: ActorCritic, task: str, options: TaskOptions, arguments: TraceArguments, name: str, console: Console
) -> tuple[list[EpisodeTrace], list[list[ErasureEffect]], list[dict[str, Any]]]:
    env, note = make_traced_env(task, options)
    if note is not None:
        console.print(f"{note}, so the trace shows words alone, where there are any", markup=False)
    top = 0 if policy.config.memory in RECURRENT_KINDS else arguments.num_erasures
    traces, effects, payloads = [], [], []
    try:
        for number, seed in enumerate(evaluation_seeds(arguments.seed, arguments.episodes)):
            trace = trace_episode(policy, env, seed, deterministic=arguments.deterministic)
            ranked = rank_erasures(policy, trace, top) if top else []
            context = _context(policy, env, task, f"{name}, episode {number} (seed {seed})")
            traces.append(trace)
            effects.append(ranked)
            payloads.append(page_payload(trace, context, ranked))
    finally:
        env.close()
    return traces, effects, payloads


def _context(policy: ActorCritic, env: gym.Env[Any, Any], task: str, title: str) -> TraceContext:
    config = policy.config
    ramp = config.ramp if config.memory in _KINDS_WITH_A_RAMP else 0
    first_action = (
        int(getattr(env.action_space, "start", 0)) if isinstance(env.action_space, gym.spaces.Discrete) else 0
    )
    return TraceContext(title, task, config.memory, config.max_span, ramp, action_names(env), first_action)


def _write_page(path: Path, payloads: list[dict[str, Any]]) -> None:
    from rlmem.experiments.trace_page import render_page

    write_bytes(path, render_page(payloads).encode())


def _write_figure(path: Path, trace: EpisodeTrace, title: str, word: str | None) -> None:
    from rlmem.experiments.trace_figure import timeline_figure

    path.parent.mkdir(parents=True, exist_ok=True)
    timeline_figure(trace, title, word).savefig(path, dpi=200)


def _write_video(path: Path, trace: EpisodeTrace, payload: dict[str, Any], fps: int) -> None:
    from rlmem.experiments.trace_video import write_trace_video

    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_trace_video(path, trace, payload, fps)
    except RlmemError as error:
        raise RlmemError(f"--video {path} was not written, everything else was: {error}") from error


def _write_summary(
    plan: Plan,
    policy: ActorCritic,
    task: str,
    options: TaskOptions,
    arguments: TraceArguments,
    word: str | None,
    name: str,
    console: Console,
) -> None:
    from rlmem.experiments.trace_summary import summarise_memories, summary_figure

    assert plan.summary is not None, "a summary was asked for without a file"
    assert plan.summary_figure is not None, "a summary was asked for without a file of its figure"
    summary = summarise_memories(policy, task, options, arguments.summary or 1, arguments.seed, word)
    write_json(plan.summary, {"run": name, "task": task, **summary})
    summary_figure(summary, f"{name}, {summary['episodes']} episodes").savefig(plan.summary_figure, dpi=130)
    for line in summary_lines(summary):
        console.print(line, markup=False)
