"""Every artefact: that its commands are ones that `rlmem` understands, and what stands beside the paper's numbers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest

from rlmem.experiments.arguments import parse
from rlmem.experiments.lm.evaluate_command import LanguageEvaluateArguments
from rlmem.experiments.lm.train_command import parse_language_train
from rlmem.experiments.reproduce.catalogue import ARTEFACTS
from rlmem.experiments.reproduce.model_score import SCORES
from rlmem.experiments.reproduce.paper import PAPER
from rlmem.experiments.reproduce.planned_model import (
    REFERENCE,
    EqualMemory,
    Scale,
    Settings,
    described_span,
    train_words,
)
from rlmem.experiments.reproduce.score_drawing import draw_scores
from rlmem.experiments.reproduce.score_figure import NAMES

Command = Callable[..., Any]
SCALES: tuple[Scale, ...] = get_args(Scale)
BOTH = [(id, scale) for id in ARTEFACTS for scale in SCALES]
_IDS = (
    "figure-4-left figure-4-right figure-5 table-1 table-2 table-3 table-4 table-5 table-6 figure-6 figure-7 figure-9 "
    "figure-10 figure-11 figure-12 figure-13"
)


def test_all_figures_and_tables_are_there() -> None:
    assert sorted(ARTEFACTS) == sorted(_IDS.split())


@pytest.mark.parametrize(("id", "scale"), BOTH)
def test_dry_run_prints_commands_that_rlmem_understands(id: str, scale: str, rlmem: Command, here: Path) -> None:
    finished = rlmem("reproduce", id, "--scale", scale, "--dry-run")
    assert finished.code == 0, finished.err
    commands = [shlex.split(line)[1:] for line in finished.out.splitlines() if line.startswith("rlmem ")]
    assert commands
    for words in commands:
        if words[0] == "compare":
            again = rlmem(*words, "--dry-run")
            assert (again.code, words[1] in ("corridor", "portal")) == (0, True), again.err
        elif words[:2] == ["lm", "train"]:
            words = ["7" if word.startswith("<for ") else word for word in words]
            config = parse_language_train(words[2:]).config
            assert (config.task, config.preset) == (words[2], scale)
        else:
            assert words[:2] == ["lm", "eval"]
            assert parse(LanguageEvaluateArguments, words[2:], "lm eval").split == "test"
    models = ARTEFACTS[id].models.get(scale, ())  # type: ignore[call-overload]
    assert len(commands) == max(1, 2 * len(models))
    assert re.search(r"^\d+ runs?.*, [\d,]+ (updates|environment steps), [\d,]+ of them to do$", finished.out, re.M)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("id", "scale"), BOTH)
def test_plans_are_whole(id: str, scale: Scale) -> None:
    artefact = ARTEFACTS[id]
    models = artefact.models.get(scale, ())
    assert len({model.key for model in models}) == len(models)
    for model in models:
        if isinstance(model.span, EqualMemory):
            assert (model.task, REFERENCE) in {(one.task, one.name) for one in models}
        if model.counterpart is not None and artefact.draw is draw_scores:
            assert artefact.paper.row(model.counterpart).score > 0
        assert model.task in SCORES
        assert model.kind in NAMES
    if artefact.draw is draw_scores:
        assert len({model.task for model in models}) == 1
    if id == "table-4":
        assert [f"{model.task}: {NAMES[model.kind]}" for model in models] == [row.model for row in artefact.paper.rows]


def test_equal_names_mean_equal_runs() -> None:
    """Artefacts share the folders of runs by name, so that a name must not stand for two commands."""
    for scale in SCALES:
        settings = Settings(scale, "runs", {})
        seen: dict[str, list[str]] = {}
        for artefact in ARTEFACTS.values():
            for model in artefact.models.get(scale, ()):
                words = train_words(model, settings, described_span(model.span))
                assert seen.setdefault(model.key, words) == words, artefact.id


def test_every_row_of_the_comparisons_in_the_paper_has_a_run() -> None:
    for id in ("table-1", "table-3", "table-6"):
        for scale in SCALES:
            models = ARTEFACTS[id].models[scale]
            assert {model.counterpart for model in models} - {None} == {row.model for row in PAPER[id].rows}
            assert all(
                model.counterpart is None
                for model in models
                if isinstance(model.span, EqualMemory) and model.span.times > 1
            ), "more memory than the paper's"


@pytest.mark.parametrize("scale", SCALES)
def test_agents_are_those_of_the_paper(scale: Scale) -> None:
    corridor = ARTEFACTS["figure-4-left"].comparison[scale]
    assert "expire_span@1,2,3,4,5" in corridor
    assert len(next(word for word in corridor if word.startswith("transformer_xl")).split(",")) == (
        8 if scale == "small" else 10
    )
    assert ("--preset" in corridor) == (scale == "paper")
