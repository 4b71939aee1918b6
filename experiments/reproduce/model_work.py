"""The work of `rlmem reproduce` on language models: what is planned, trained and drawn."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rlmem.errors import UsageError, check
from rlmem.experiments.lm.tasks import LANGUAGE_TASKS
from rlmem.experiments.reproduce.artefact import Artefact, Drawn, Material
from rlmem.experiments.reproduce.listing import outcome
from rlmem.experiments.reproduce.plan import Plan
from rlmem.experiments.reproduce.planned_model import (
    PlannedModel,
    Scale,
    Settings,
    described_span,
    evaluate_words,
    is_text,
    run_path,
    text_tasks,
    train_words,
)
from rlmem.experiments.reproduce.records import describe_failure, describe_run
from rlmem.experiments.reproduce.results import check_out, write_result
from rlmem.experiments.reproduce.run_state import is_done, updates_done
from rlmem.experiments.reproduce.training import Work, train_models
from rlmem.experiments.run_directory import lock_folder


def make_plan(
    artefact: Artefact, settings: Settings, out: Path, *, is_text_needed: bool = False
) -> tuple[Plan, list[str]]:
    """The plan of an artefact, and what must be said of what is left out of it.

    Args:
        artefact: which one.
        settings: of the command.
        out: folder for the results.
        is_text_needed: leave models without their text out, or refuse to go on.

    Raises:
        UsageError: a text is missing, or a folder holds something else.
    """
    models = artefact.models[settings.scale]
    notices: list[str] = []
    if is_text_needed:
        models, notices = with_text(artefact, settings)
    plan = Plan(models, settings)
    check_out(out, artefact, settings.scale, plan)
    plan.check_folders()
    return plan, notices


def reproduce_models(artefact: Artefact, settings: Settings, out: Path, work: Work, command: str) -> int:
    """Make an artefact of language models; returns the exit code.

    Args:
        artefact: which one.
        settings: of the command.
        out: folder for the results.
        work: how the runs are done.
        command: as typed.
    """
    plan, notices = make_plan(artefact, settings, out, is_text_needed=True)
    notices += _open_corpora(plan)
    out.mkdir(parents=True, exist_ok=True)
    with lock_folder(out):
        training = train_models(plan, work)
        if training.exit_code:
            print(f"stopped: {len(plan.done())} of {len(plan.models)} runs are done; go on with: {command}")
            return training.exit_code
        _draw(artefact, plan, training.errors, notices, command, out, quiet=work.quiet)
    for key, error in training.errors.items():
        print(f"rlmem: error: the run {key} failed: {error}; see {work.log(key)}", file=sys.stderr)
    if training.errors:
        print(
            f"{len(training.errors)} of {len(plan.models)} runs failed; to try them again: {command}", file=sys.stderr
        )
    return 1 if training.errors else 0


def places_of(artefact: Artefact, scale: Scale, given: Sequence[str]) -> dict[str, str]:
    """Where each text of an artefact lies, by task.

    Args:
        artefact: which one.
        scale: at which scale.
        given: places, or TASK=PLACE.

    Raises:
        UsageError: a place is given for a task that is not there, or twice.
    """
    tasks = text_tasks(artefact.models[scale])
    places: dict[str, str] = {}
    for word in given:
        task, is_named, place = word.partition("=")
        if not is_named or not (task in LANGUAGE_TASKS and is_text(task)):
            task, place = "", word
        check(bool(tasks), f"--data is the place of a text, but {artefact.id} reads none; leave it out")
        check(not task or task in tasks, f"--data {word}: {artefact.id} does not read {task}; it reads {tasks}")
        for one in [task] if task else tasks:
            check(one not in places, f"--data gives a place for {one} twice; give one, or TASK=PLACE for each")
            places[one] = place
    return places


def with_text(artefact: Artefact, settings: Settings) -> tuple[tuple[PlannedModel, ...], list[str]]:
    """The models whose text is given, and what must be said of those that are left out.

    Args:
        artefact: which one.
        settings: of the command.

    Raises:
        UsageError: no --data was given for a text, and its models cannot be left out.
    """
    models = artefact.models[settings.scale]
    missing = [task for task in text_tasks(models) if not settings.data.get(task)]
    if missing and not artefact.can_leave_out:
        raise UsageError(
            f"{artefact.id} reads {missing[0]}, but no --data was given; give the place of its files, "
            f"such as --data path/to/{missing[0]}"
        )
    notices = [f"{task} is left out: no --data {task}=PLACE was given" for task in missing]
    return tuple(model for model in models if model.task not in missing), notices


def print_plan(plan: Plan) -> None:
    """Print the commands of all runs, how far they are, and what they amount to."""
    total = left = 0
    for model in plan.models:
        run = plan.run(model)
        path = run_path(model, plan.settings)
        words = run.words if run else train_words(model, plan.settings, described_span(model.span))
        example = run or plan.example(model)
        updates, done = example.config.run.all_updates, updates_done(path)
        symbols = updates * example.config.learner.batch * example.config.learner.block
        total, left = total + updates, left + max(updates - done, 0)
        state = "done" if run and is_done(run) else f"{done:,} updates done" if done else "new"
        print(f"{shlex.join(['rlmem', *words])}\n{shlex.join(['rlmem', *evaluate_words(path)])}")
        print(f"    {updates:,} updates, {symbols:,} symbols, {state}")
    runs = "1 run" if len(plan.models) == 1 else f"{len(plan.models)} runs"
    print(f"{runs}, {total:,} updates, {left:,} of them to do")


def _open_corpora(plan: Plan) -> list[str]:
    """Read each task's data once, before any process needs it; returns what must be said beside results."""
    options = {}
    for model in plan.independent:
        run = plan.run(model)
        assert run is not None, "its L is known"
        options[model.task] = run.config.options
    return [notice for task, one in options.items() for notice in LANGUAGE_TASKS[task].open_corpus(one).notices]


def _draw(
    artefact: Artefact, plan: Plan, errors: dict[str, str], notices: list[str], command: str, out: Path, *, quiet: bool
) -> None:
    done = {run.model.key: run for run in plan.done()}
    records = [
        describe_run(done[model.key]) if model.key in done else describe_failure(model, errors[model.key])
        for model in plan.models
    ]
    if not done or (artefact.needs_all and errors):
        return
    assert artefact.draw is not None, "it is of language models"
    title = f"{artefact.id}, {plan.settings.scale}: {artefact.title}"
    drawn: Drawn = artefact.draw(Material(title, artefact.paper, records))
    files = write_result(out, artefact, plan.settings.scale, command, records, notices, drawn)
    if not quiet:
        for notice in notices:
            print(notice)
        print(f"wrote {', '.join(map(str, files))}")
        print(outcome(artefact, drawn.summary))
