"""A run's folder, `runs/<experiment>/<name>/`: config.json, logs, checkpoints; and how RUN arguments find one.

Runs are of two kinds: agents, whose config.json names no kind, and language models, whose does.
"""

from __future__ import annotations

import fcntl
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.any_config import AnyConfig
from rlmem.experiments.atomic_files import sync, write_json
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.provenance import provenance
from rlmem.experiments.tasks import GymnasiumOptions
from rlmem.experiments.train_config import ConfigError, TrainConfig

PRETRAINED = Path(__file__).parent / "pretrained"
"""Weights that come with the package, one folder each."""


RunKind = Literal["agent", "language_model"]
AGENT_RUN: RunKind = "agent"
LANGUAGE_MODEL: RunKind = "language_model"
"""What a language model's config.json says under `kind`."""

_COMMANDS = {"agent": "rlmem eval, report, watch", "language_model": "rlmem lm eval, lm report"}


Config = TypeVar("Config", bound=AnyConfig)


class RunFolder(Generic[Config]):
    """The folder of one run, opened.

    Args:
        path: the folder; it holds a config.json.
        config: what it says.
    """

    def __init__(self, path: Path, config: Config) -> None:
        self.path, self.config = path, config
        self.checkpoints = Checkpoints(path / "checkpoints", config.run.keep_checkpoints)

    def rewrite_config(self, config: Config) -> None:
        """Change what the run shall be, for instance its length."""
        write_json(self.path / "config.json", config.to_json())
        self.config = config

    def locked(self) -> AbstractContextManager[None]:
        """Keep every other process from training this run, see `lock_folder`."""
        return lock_folder(self.path)


class RunDirectory(RunFolder[TrainConfig]):
    """The folder of an agent's run, opened.

    Args:
        path: the folder; it holds a config.json.

    Raises:
        ConfigError: config.json is damaged.
        UsageError: it is a language model's.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, read_config(path, TrainConfig.from_json))

    @classmethod
    def create(cls, config: TrainConfig, root: Path, experiment: str, name: str | None) -> RunDirectory:
        """Make the folder of a new run, see `create_folder`."""
        return cls(create_folder(config, root, experiment, name))


def create_folder(config: AnyConfig, root: Path, experiment: str, name: str | None) -> Path:
    """Make the folder of a new run and write its config.json.

    Args:
        config: what to run.
        root: folder of all runs.
        experiment: folder of runs that belong together.
        name: of the run; None chooses one that is free.

    Raises:
        UsageError: the name cannot be, or there is such a folder already.
    """
    if name is not None and not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(f"--name {name!r} cannot name a folder; use letters, digits, dots, dashes and underscores")
    path = _make_folder(root / experiment, name, default_name(config))
    write_json(path / "config.json", config.to_json())
    write_json(path / "provenance.json", provenance())
    sync(path.parent)
    return path


def wait_until_unlocked(path: Path, seconds: float) -> None:
    """Wait until no other process trains in a folder, but no longer than some seconds.

    Args:
        path: of the folder.
        seconds: at most.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with lock_folder(path):
                return
        except RlmemError:
            time.sleep(0.1)


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Keep every other process from training in a folder; the system lets go when the process ends.

    Raises:
        RlmemError: another process has it.
    """
    with (path / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RlmemError(f"{path} is being trained by another process; stop that one first") from error
        yield


def experiment_name(config: TrainConfig) -> str:
    """The folder of runs that belong together: the task's name, or the environment's id made fit for a folder."""
    if isinstance(config.environment, GymnasiumOptions):
        return re.sub(r"[^\w.+-]+", "-", config.environment.env_id).strip("-")
    return config.task


def default_name(config: AnyConfig) -> str:
    """A readable name, such as `corridor-expire_span-s1-20261120-153012`."""
    now = datetime.now().strftime("%Y%m%d-%H%M%S")
    return f"{config.preset}-{config.model.memory}-s{config.run.seed}-{now}"


def find_run(argument: str, root: Path) -> Path:
    """The folder that a RUN argument means: a path, the name of a run, or the name of pretrained weights.

    Args:
        argument: what was typed.
        root: folder of all runs.

    Raises:
        UsageError: nothing has that name, or several runs have it.
    """
    path = Path(argument)
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise UsageError(f"{path} is no run: it holds no config.json; give a folder like runs/corridor/NAME")
        return path
    named = sorted(root.glob(f"*/{argument}/config.json")) if re.fullmatch(r"[\w.+-]+", argument) else []
    if len(named) > 1:
        raise UsageError(f"several runs are called {argument}: {', '.join(str(p.parent) for p in named)}; give a path")
    if named:
        return named[0].parent
    if re.fullmatch(r"[\w.+-]+", argument) and (PRETRAINED / argument / "config.json").is_file():
        return PRETRAINED / argument
    runs = sorted(root.glob("*/*/config.json"), key=lambda p: p.stat().st_mtime)
    known = f"the newest run is {runs[-1].parent}" if runs else f"there are no runs in {root} yet"
    shipped = sorted(p.parent.name for p in PRETRAINED.glob("*/config.json"))
    pretrained = f"; pretrained: {', '.join(shipped)}" if shipped else ""
    raise UsageError(f"there is no run {argument!r}; {known}{pretrained}")


def is_pretrained(path: Path) -> bool:
    """True for a folder of weights alone, which can be evaluated but not resumed."""
    return (path / "model.safetensors").is_file()


def _make_folder(parent: Path, name: str | None, free_name: str) -> Path:
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(1, 1000):
        path = parent / (name or free_name + (f"-{number}" if number > 1 else ""))
        try:
            path.mkdir()
        except FileExistsError as error:
            if name is not None:
                raise UsageError(
                    f"the run {path} exists; choose another --name, or go on with it: rlmem resume {path}"
                ) from error
        else:
            return path
    raise UsageError(f"{parent} holds a thousand runs called {free_name}; choose a --name")


T = TypeVar("T")


def read_config(path: Path, read: Callable[[Any], T], kind: RunKind = "agent") -> T:
    """What `read` makes of a run's config.json.

    Args:
        path: the run's folder.
        read: `TrainConfig.from_json`, or `read_task` for its task and environment alone.
        kind: of run that `read` understands.

    Raises:
        ConfigError: the file is damaged.
        UsageError: the run is of the other kind.
    """
    data, file = _read_json(path), path / "config.json"
    found = _kind_of(data)
    if found != kind:
        what = {"agent": "an agent's", "language_model": "a language model's"}
        raise UsageError(
            f"{path} is {what[found]} run, not {what[kind]}; its commands are {_COMMANDS[found]}, trace and resume"
        )
    try:
        return read(data)
    except RlmemError as error:
        raise ConfigError(f"{file} does not describe a run: {error}") from error


def run_kind(path: Path) -> RunKind:
    """Whether a run's folder is an agent's or a language model's.

    Raises:
        ConfigError: its config.json is no JSON.
    """
    return _kind_of(_read_json(path))


def _kind_of(data: Any) -> RunKind:
    return LANGUAGE_MODEL if isinstance(data, dict) and data.get("kind") == LANGUAGE_MODEL else "agent"


def _read_json(path: Path) -> Any:
    file = path / "config.json"
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"{path} is no run: it holds no config.json") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is no whole JSON file ({error}); write it anew or train the run anew") from error
