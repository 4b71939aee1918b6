"""Which cells are measured for what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from rlmem.agents.learner_config import Algorithm
from rlmem.errors import check
from rlmem.experiments.bench.cells import AgentCell, Cell, EnvironmentCell, LanguageCell
from rlmem.model_config import MemoryKind

What = Literal[
    "environment", "acting", "learning", "training", "lm",
    "scale", "scale-envs", "scale-live", "scale-span", "scale-lm-live", "scale-lm-span",
]  # fmt: skip
"""What can be measured; `scale` is all tables over size."""

_BATCH_TASKS = ("corridor", "portal")
_MANY_ENVS = 1024
_LANGUAGE_KINDS: tuple[MemoryKind, ...] = ("expire_span", "transformer_xl")

# The sizes of the tables over size: of agents, then of language models.
_ENVS = (16, 64, 256, 1024, 4096)
_LIVE, _LIVE_SPAN = (25, 50, 100, 200, 400, 800), 1024
_SPANS, _SPAN_LIVE = (256, 1024, 4096, 16_384), 25
_LANGUAGE_LIVE, _LANGUAGE_LIVE_SPAN = (64, 128, 256, 512, 1024, 2048), 4096
_LANGUAGE_SPANS, _LANGUAGE_SPAN_LIVE = (1024, 4096, 16_384, 65_536), 128


@dataclass(frozen=True)
class Line:
    """One line of a table over size.

    Args:
        size: that the table is over.
        cells: what is measured there.
    """

    size: int
    cells: Sequence[Cell]


@dataclass(frozen=True)
class Scale:
    """A table over size.

    Args:
        what: asks for it.
        title: what grows, and what does not.
        variable: name of the size.
        lines: from the smallest size.
    """

    what: What
    title: str
    variable: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Sizes:
    """Sizes of what is measured beside the tables over size.

    Args:
        num_envs: environments played at once.
        num_steps: T, steps of a window.
        env_steps: steps of each measurement of a bare environment.
    """

    num_envs: int
    num_steps: int
    env_steps: int


def plan_cells(what: Sequence[What], sizes: Sizes, *, quick: bool, only: Sequence[int] = ()) -> list[Cell]:
    """The cells to be measured, each once.

    Args:
        what: was asked for.
        sizes: outside of the tables over size.
        quick: of the tables over size, the first two lines alone.
        only: of the tables over size, the lines of these sizes alone; empty: all.

    Raises:
        UsageError: none of the tables asked for has such a line.
    """
    cells: list[Cell] = []
    if "environment" in what:
        many = sorted({sizes.num_envs, *(() if quick else (_MANY_ENVS,))})
        cells += [EnvironmentCell(task, num_envs, sizes.env_steps) for task in _BATCH_TASKS for num_envs in many]
    if {"learning", "training"} & set(what):
        algorithms: tuple[Algorithm, ...] = get_args(Algorithm)[::-1]
        cells += [AgentCell(algorithm, sizes.num_envs, sizes.num_steps) for algorithm in algorithms]
    elif "acting" in what:
        cells.append(AgentCell("a2c", sizes.num_envs, sizes.num_steps, only_acts=True))
    if "lm" in what:
        cells += [LanguageCell(kind, max_span=128 if kind == "transformer_xl" else 1024) for kind in _LANGUAGE_KINDS]
    tables = [table for table in scales(sizes.env_steps) if {"scale", table.what} & set(what)]
    known = {line.size for table in tables for line in table.lines}
    strange = [size for size in only if size not in known]
    check(not strange, f"--sizes holds {strange}, but the tables asked for have {sorted(known) or 'no lines'}")
    for table in tables:
        lines = [line for line in table.lines if not only or line.size in only]
        cells += [cell for line in lines[: 2 if quick else None] for cell in line.cells]
    return list(dict.fromkeys(cells))


def scales(env_steps: int) -> list[Scale]:
    """The tables over size; agents learn by A2C, one pass over a window.

    Args:
        env_steps: of each measurement of a bare environment of 64; larger batches make fewer.
    """

    def live(size: int) -> list[Cell]:
        return [AgentCell("a2c", live=size, max_span=_LIVE_SPAN, is_endless=True)]

    def span(size: int) -> list[Cell]:
        return [AgentCell("a2c", live=_SPAN_LIVE, max_span=size, is_endless=True)]

    def envs(size: int) -> list[Cell]:
        bare = EnvironmentCell("corridor", size, max(1, env_steps * 64 // max(64, size)))
        return [bare, AgentCell("a2c", num_envs=size)]

    return [
        Scale(
            "scale-envs", "environments, windows of 100 steps, 25 live memories", "environments", _lines(_ENVS, envs)
        ),
        Scale("scale-live", f"live memories, 64 x 100, L = {_LIVE_SPAN}", "live memories", _lines(_LIVE, live)),
        Scale("scale-span", f"L, 64 x 100, {_SPAN_LIVE} live memories", "L", _lines(_SPANS, span)),
        Scale(
            "scale-lm-live",
            f"live memories of a language model, 16 x 128, L = {_LANGUAGE_LIVE_SPAN}",
            "live memories",
            _lines(_LANGUAGE_LIVE, lambda size: [LanguageCell("expire_span", size, _LANGUAGE_LIVE_SPAN)]),
        ),
        Scale(
            "scale-lm-span",
            f"L of a language model, 16 x 128, {_LANGUAGE_SPAN_LIVE} live memories",
            "L",
            _lines(_LANGUAGE_SPANS, lambda size: [LanguageCell("expire_span", _LANGUAGE_SPAN_LIVE, size)]),
        ),
    ]


def _lines(sizes: Sequence[int], cells: Callable[[int], list[Cell]]) -> list[Line]:
    return [Line(size, cells(size)) for size in sizes]
