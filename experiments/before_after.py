"""How much faster one version trains than another: `python -m rlmem.experiments.before_after --help`.

Each is given by the Python of an environment in which it is installed. Both train Corridor's agent (64 environments ×
100 steps, Expire-Span) in turn, window by window, so that both meet with the same weather; while one works the other
waits for its word.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any, Literal, get_args

from rlmem.agents.learner_config import Algorithm
from rlmem.errors import RlmemError, UsageError, check
from rlmem.experiments.arguments import parse
from rlmem.experiments.provenance import provenance

_MODULE = "rlmem.experiments.before_after"
_WORKER = Path(__file__).with_name("before_after_worker.py")
_NOWHERE = Path(sys.prefix).anchor  # a version in the current folder would be imported before the installed one
_PARTS = ("acting", "learning", "training")
_SIDES = ("before", "after")

Spans = Literal["preset", "short"]
"""Where spans begin and stay: as in the preset `corridor` (230 steps and 13), or at 10 steps in both layers, which is
some 25 live memories, what trained agents keep and fewer than the preset begins with."""

_AGENTS: tuple[tuple[Algorithm, Spans], ...] = tuple(product(get_args(Algorithm), get_args(Spans)))


@dataclass(frozen=True)
class BeforeAfterArguments:
    """Measure training by two versions in turn; prints one JSON object."""

    before: str
    """Python of the environment with the earlier version."""
    after: str
    """Python of the environment with the later one."""
    windows: int = 20
    """Windows of each, of which the medians count."""
    threads: int = 2
    """CPU threads of PyTorch."""

    def __post_init__(self) -> None:
        for name in ("windows", "threads"):
            check(getattr(self, name) >= 1, f"--{name} is {getattr(self, name)}, but it must be at least 1")
        for python in (self.before, self.after):
            check(Path(python).is_file(), f"there is no file {python}; give the Python of an environment with rlmem")


def main(argv: Sequence[str]) -> int:
    """Measure; returns the exit code."""
    try:
        print(json.dumps(measure(parse(BeforeAfterArguments, argv, f"python -m {_MODULE}")), indent=2))
    except RlmemError as error:
        print(f"before_after: error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def measure(arguments: BeforeAfterArguments) -> dict[str, Any]:
    """Steps a second of both versions and their ratios, by algorithm and spans.

    Raises:
        UsageError: an interpreter has no rlmem.
        RlmemError: a version failed.
    """
    settings = asdict(arguments)
    pythons = [str(Path(settings.pop(side)).absolute()) for side in _SIDES]
    commits = {side: _commit(python) for side, python in zip(_SIDES, pythons, strict=True)}
    found = {f"{agent[0]}, {agent[1]} spans": _compare(arguments, pythons, *agent) for agent in _AGENTS}
    return {
        "command": f"python -m {_MODULE} --before PYTHON --after PYTHON "
        f"--windows {arguments.windows} --threads {arguments.threads}",
        "arguments": settings,
        "commits": commits,
        "measured": found,
        **provenance(),
    }


def _compare(
    arguments: BeforeAfterArguments, pythons: Sequence[str], algorithm: Algorithm, spans: Spans
) -> dict[str, Any]:
    """Medians of both, the median of the windows' ratios with its quartiles, and all seconds."""
    words = [algorithm, spans, str(arguments.threads)]
    seconds: dict[str, list[dict[str, float]]] = {side: [] for side in _SIDES}
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(python, words)) for python in pythons]
        steps, _ = (int(_line(worker)) for worker in workers)
        for number in range(arguments.windows):
            pairs = list(zip(_SIDES, workers, strict=True))
            for side, worker in pairs if number % 2 == 0 else pairs[::-1]:
                assert worker.stdin is not None
                worker.stdin.write("window\n")
                worker.stdin.flush()
                seconds[side].append(json.loads(_line(worker)))
    parts = {}
    for part in _PARTS:
        before, after = ([window[part] for window in seconds[side]] for side in _SIDES)
        ratios = [old / new for old, new in zip(before, after, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
        parts[part] = {
            "steps_per_second": {
                side: round(steps / statistics.median(values))
                for side, values in zip(_SIDES, (before, after), strict=True)
            },
            "ratio": round(middle, 3),
            "ratio_quartiles": [round(low, 3), round(high, 3)],
            "seconds": {
                side: [round(one, 5) for one in values] for side, values in zip(_SIDES, (before, after), strict=True)
            },
        }
    return parts


@contextmanager
def _worker(python: str, words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A version that is ready to train; it ends with the block."""
    source = _WORKER.read_text(encoding="utf-8")
    with subprocess.Popen(
        [python, "-c", source, *words], cwd=_NOWHERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _line(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    line = worker.stdout.readline()
    if not line:
        raise RlmemError("one of the versions failed; its message stands above")
    return line


def _commit(python: str) -> str | None:
    """The commit of the version that an environment has."""
    code = "import json; from rlmem.experiments.provenance import provenance; print(json.dumps(provenance()))"
    finished = subprocess.run([python, "-c", code], cwd=_NOWHERE, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        why = finished.stderr.strip().splitlines() or [f"it ends with {finished.returncode}"]
        raise UsageError(f"{python} has no rlmem: {why[-1]}; install it there")
    commit: str | None = json.loads(finished.stdout)["commit"]
    return commit


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
