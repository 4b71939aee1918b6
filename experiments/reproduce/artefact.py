"""One figure or table of the paper: what it takes to make it at each scale, and how it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from rlmem.experiments.reproduce.paper import PAPER, PaperResult
from rlmem.experiments.reproduce.planned_model import PlannedModel, Scale
from rlmem.experiments.reproduce.records import Record


@dataclass(frozen=True)
class Material:
    """What is drawn.

    Args:
        title: of the artefact and scale.
        paper: what the paper reports.
        records: the runs, failed ones included.
    """

    title: str
    paper: PaperResult
    records: Sequence[Record]

    @property
    def finished(self) -> list[Record]:
        """The runs that did not fail."""
        return [record for record in self.records if record["status"] == "finished"]


@dataclass(frozen=True)
class Drawn:
    """What came out.

    Args:
        summary: in a line, for the listing.
        table: Markdown; empty for none.
        figure: or None.
        details: for result.json.
    """

    summary: str
    table: str = ""
    figure: Figure | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Draw = Callable[[Material], Drawn]


@dataclass(frozen=True)
class Artefact:
    """One figure or table. It is made either by a comparison of agents or of language models.

    Args:
        id: on the command line.
        title: what it is.
        comparison: by scale, the words of `rlmem compare` without its folders and jobs; empty for language models.
        models: by scale, the language models; empty for agents.
        draw: makes figure and table of the models; None for agents, whose comparison draws its own.
        needs_all: nothing is drawn unless all runs are there.
        can_leave_out: runs on texts that are not given are left out, and that is said.
        earlier: folder under experiments/results of a comparison that was kept there by `rlmem compare`, small scale.
    """

    id: str
    title: str
    comparison: Mapping[Scale, tuple[str, ...]] = field(default_factory=dict)
    models: Mapping[Scale, tuple[PlannedModel, ...]] = field(default_factory=dict)
    draw: Draw | None = None
    needs_all: bool = False
    can_leave_out: bool = False
    earlier: str = ""

    def __post_init__(self) -> None:
        assert bool(self.comparison) != bool(self.models), "an artefact is of agents or of language models"
        assert bool(self.models) == (self.draw is not None), "language models are drawn here, agents are not"

    @property
    def paper(self) -> PaperResult:
        """What the paper reports."""
        return PAPER[self.id]
