"""The runs of an artefact, as far as they are known: some get their L from what another run turned out to remember."""

from __future__ import annotations

from collections.abc import Sequence

from rlmem.experiments.reproduce.equal_memory import equal_length
from rlmem.experiments.reproduce.planned_model import (
    REFERENCE,
    EqualMemory,
    ModelRun,
    PlannedModel,
    Settings,
    make_run,
)
from rlmem.experiments.reproduce.run_state import check_same_run, is_done, read_evaluation


class Plan:
    """What an artefact's language models are.

    Args:
        models: of the artefact; where one is an `EqualMemory`, its task's reference run is among them.
        settings: of the command.

    Raises:
        UsageError: a run cannot be.
    """

    def __init__(self, models: Sequence[PlannedModel], settings: Settings) -> None:
        self.models, self.settings = tuple(models), settings
        self._known: dict[str, ModelRun] = {}
        for model in self.independent:
            self.run(model)

    @property
    def independent(self) -> list[PlannedModel]:
        """The models whose L is known from the start."""
        return [model for model in self.models if not isinstance(model.span, EqualMemory)]

    @property
    def dependent(self) -> list[PlannedModel]:
        """The others."""
        return [model for model in self.models if isinstance(model.span, EqualMemory)]

    def run(self, model: PlannedModel) -> ModelRun | None:
        """The run of a model, or None while its L depends on a run that is not done."""
        if model.key not in self._known:
            span = None
            if isinstance(model.span, EqualMemory):
                span = self._span(model, model.span)
                if span is None:
                    return None
            self._known[model.key] = make_run(model, self.settings, span)
        return self._known[model.key]

    def example(self, model: PlannedModel) -> ModelRun:
        """A model's run with some L, where its own is not known: equal but for that."""
        return make_run(model, self.settings)

    def check_folders(self) -> None:
        """See that the folder of each known run is new, or holds this run.

        Raises:
            UsageError: one holds another run.
        """
        for model in self.models:
            run = self.run(model)
            if run is not None:
                check_same_run(run)

    def done(self) -> list[ModelRun]:
        """The runs that are trained and evaluated, in the order of the plan."""
        runs = [self.run(model) for model in self.models]
        return [run for run in runs if run is not None and is_done(run)]

    def _span(self, model: PlannedModel, wanted: EqualMemory) -> int | None:
        (reference,) = (one for one in self.independent if (one.task, one.name) == (model.task, REFERENCE))
        run = self.run(reference)
        evaluation = read_evaluation(run.path) if run is not None and is_done(run) else None
        if run is None or evaluation is None:
            return None
        return equal_length(run.config, wanted.times * evaluation["memory_size_mean"])
