"""`rlmem check RUN_OR_POLICY`: the properties of a memory, run on a run's weights or on a user's own policy."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from rlmem.checkpoint import load_policy
from rlmem.errors import RlmemError, UsageError, check
from rlmem.experiments.agent import Agent
from rlmem.experiments.arguments import Switch, parse
from rlmem.experiments.checkpoints import Checkpoints
from rlmem.experiments.run_directory import find_run, is_pretrained
from rlmem.testing import MemoryReport, check_memory

_COLOURS = {"passed": "green", "failed": "red", "not checked": "yellow"}


@dataclass(frozen=True)
class CheckArguments:
    """Check that a memory has the properties that every memory must have; exits with 1 if one fails."""

    policy: tyro.conf.Positional[str]
    """Folder or name of a run, name of pretrained weights, or module:attribute with a policy of your own (an object, or
    a function or class that makes one without arguments; see rlmem.testing)."""
    checkpoint: str | None = None
    """Name of a run's checkpoint, such as step_64000; the newest if not given."""
    batch: int = 4
    """Rows."""
    steps: int = 100
    """Steps of each row; windows have a quarter of them."""
    seed: int = 0
    """Of observations, episodes and random directions."""
    tolerance: float | None = None
    """The difference that still passes; by default 1e-10 in float64, 1e-5 in float32."""
    dtype: Literal["float64", "float32"] | None = None
    """Of the policy's copy that is checked; by default float64 for torch modules, float32 for what is none."""
    weight_noise: float = 0.0
    """Deviation of noise that is added to the copy's weights; fresh weights need some, such as 0.1."""
    json: Switch = False
    """Print one JSON object and nothing else."""
    output: str = "runs"
    """Folder of all runs."""

    def __post_init__(self) -> None:
        check(self.batch >= 1, f"--batch is {self.batch}, but it must be at least 1")
        check(self.steps >= 8, f"--steps is {self.steps}, but it must be at least 8")
        check(self.seed >= 0, f"--seed is {self.seed}, but it cannot be negative")
        check(
            self.tolerance is None or 0 < self.tolerance < float("inf"),
            f"--tolerance is {self.tolerance}, but it must be a positive number",
        )
        check(
            0 <= self.weight_noise < float("inf"), f"--weight-noise is {self.weight_noise}, but it cannot be negative"
        )


def run(argv: Sequence[str]) -> int:
    """Run `rlmem check`; returns the exit code, 0 if every property that was checked passed."""
    arguments = parse(CheckArguments, argv, "check")
    policy, name = _load(arguments)
    report = check_memory(
        policy,
        batch=arguments.batch,
        steps=arguments.steps,
        seed=arguments.seed,
        tolerance=arguments.tolerance,
        dtype=None if arguments.dtype is None else getattr(torch, arguments.dtype),
        weight_noise=arguments.weight_noise,
    )
    if arguments.json:
        print(json.dumps({"policy": name, **report.to_json()}))
    else:
        print_report(report, name)
    return 0 if report.passed else 1


def print_report(report: MemoryReport, name: str) -> None:
    """Print a report as a table, with a sentence for each property that did not plainly pass."""
    table = Table("", "property", "result", "difference", "where", title=escape(name))
    for number, word, status, difference, where in (result.line() for result in report.results):
        table.add_row(number, word, f"[{_COLOURS[status]}]{status}[/]", difference, escape(where))
    console = Console()
    console.print(table)
    for text in report.explanations():
        console.print(f"- {escape(text)}", highlight=False)


def _load(arguments: CheckArguments) -> tuple[Any, str]:
    """The policy and what to call it."""
    module, colon, attribute = arguments.policy.partition(":")
    if colon and not Path(arguments.policy).exists():
        if arguments.checkpoint is not None:
            raise UsageError(f"--checkpoint chooses a run's weights, but {arguments.policy} is a policy in a module")
        return import_policy(module, attribute), arguments.policy
    path = weights = find_run(arguments.policy, Path(arguments.output))
    if not is_pretrained(path):
        checkpoints = Checkpoints(path / "checkpoints", keep=1)
        weights = checkpoints.choose(arguments.checkpoint, f"rlmem check {path}")
    elif arguments.checkpoint is not None:
        raise UsageError(f"{path} holds weights alone, no checkpoints; leave --checkpoint out")
    name = str(path) if weights == path else f"{path}, {weights.name}"
    return load_policy(weights / "model.safetensors"), name


def import_policy(module: str, attribute: str) -> Any:
    """A policy from a user's module, found in the working folder or among what is installed.

    Args:
        module: its dotted name.
        attribute: an object with the methods of `MemoryPolicy`, an `ActorCritic` or an `Agent`; or a function or class
            that makes one without arguments. Dots reach further in.

    Raises:
        UsageError: there is no such module or attribute.
        RlmemError: importing or making it raised an error.
    """
    if not module or not attribute:
        raise UsageError(
            f"{module}:{attribute} names no policy; write module:attribute, such as my_policies:make_policy"
        )
    if (folder := os.getcwd()) not in sys.path:
        sys.path.insert(0, folder)
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        if isinstance(error, ModuleNotFoundError) and error.name and f"{module}.".startswith(f"{error.name}."):
            raise UsageError(
                f"there is no module {error.name!r}, in {folder} or installed; write module:attribute, without .py"
            ) from error
        raise RlmemError(f"importing {module} raised {type(error).__name__}: {error}; mend the module") from error
    for name in attribute.split("."):
        if not hasattr(found, name):
            near = get_close_matches(name, dir(found), n=1)
            hint = f"did you mean {near[0]!r}?" if near else "name a policy, or a function or class that makes one"
            raise UsageError(f"{module} has no {attribute!r}; {hint}")
        found = getattr(found, name)
    return _made(found, f"{module}:{attribute}")


def _made(found: Any, name: str) -> Any:
    """The policy itself, or what the function or class makes."""
    is_policy = not isinstance(found, type) and (hasattr(found, "window") or isinstance(found, torch.nn.Module))
    if callable(found) and not is_policy:
        try:
            found = found()
        except (Exception, SystemExit) as error:  # a user's function may raise anything
            raise RlmemError(
                f"{name}() raised {type(error).__name__}: {error}; name a function that takes no arguments"
            ) from error
    return found.policy if isinstance(found, Agent) else found
