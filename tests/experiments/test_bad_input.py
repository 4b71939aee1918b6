"""Wrong usage and damaged files: one clear message, the right exit code, no traceback, nothing overwritten."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from rlmem.agents.learner import Learner
from rlmem.checkpoint import load_policy
from rlmem.experiments.checkpoints import find_damage
from rlmem.experiments.run_directory import PRETRAINED

Command = Callable[..., Any]
Hash = Callable[[Path], str]
RUNS = Path("runs/corridor")


def words_of(finished: Any) -> str:
    """A message without the box and the line breaks around it."""
    return " ".join(finished.err.replace("│", " ").split())


def assert_refused(finished: Any, code: int, *parts: str) -> None:
    assert finished.code == code, finished
    assert "Traceback" not in finished.err + finished.out
    for part in parts:
        assert part in words_of(finished), words_of(finished)


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        ("--preset dmo", ("the preset 'dmo' is unknown", "did you mean 'demo'?", "choose one of corridor, demo")),
        ("--memory rnn", ("'rnn'", "--memory", "'expire_span', 'transformer_xl'")),
        ("--device tpu", ("'tpu'", "--device", "'cpu', 'cuda'")),
        ("--ramp 0", ("--ramp is 0", "at least 1")),
        ("--max-span 0", ("--max-span is 0", "at least 1")),
        ("--heads 3", ("--heads 3 does not divide the width --model 64", "choose one of [1, 2, 4")),
        ("--num-envs 0", ("--num-envs is 0", "at least 1")),
        ("--num-envs 3", ("--num-minibatches 4 is more than the 3 environments (--num-envs)", "lower it")),
        ("--total-timesteps 0", ("--total-timesteps is 0",)),
        ("--num-steps 0", ("--num-steps is 0",)),
        ("--learning-rate -1", ("--learning-rate is -1.0", "positive")),
        ("--learning-rate nan", ("--learning-rate is nan",)),
        ("--gamma 1.5", ("--gamma is 1.5", "between 0 and 1")),
        ("--initial-span-fraction 1", ("--initial-span-fraction is 1.0",)),
        ("--num-threads 0", ("--num-threads is 0",)),
        ("--seed -1", ("--seed is -1",)),
        ("--seed one", ("--seed", "'one'")),
        ("--min-length 9 --max-length 5", ("max_length is 5, below min_length 9", "raise max_length")),
        ("--min-length 2", ("min_length is 2", "pass 3 or more")),
        ("--no-such-flag 1", ("Unrecognized options: --no-such-flag",)),
        ("--name ../elsewhere", ("--name '../elsewhere' cannot name a folder",)),
    ],
)
def test_flags(rlmem: Command, here: Path, flags: str, parts: tuple[str, ...]) -> None:
    assert_refused(rlmem("train", "corridor", *flags.split()), 2, *parts)
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ("", ()),
        ("tarin corridor", ("no command 'tarin'", "did you mean 'train'?")),
        ("train", ("needs a task", "rlmem train corridor")),
        ("train coridor", ("the task 'coridor' is unknown", "did you mean 'corridor'?")),
        ("train --preset demo", ("needs a task",)),
        ("resume", ("run",)),
        ("resume nothing", ("there is no run 'nothing'", "there are no runs in runs yet")),
        ("eval nothing --json", ("there is no run 'nothing'",)),
        ("eval ../nothing", ("there is no run '../nothing'",)),
        ("eval x --episodes 0", ("--episodes is 0",)),
        ("bench --num-envs 0", ("--num-envs is 0",)),
        ("demo --episodes 0", ("--episodes is 0",)),
    ],
)
def test_words(rlmem: Command, here: Path, words: str, parts: tuple[str, ...]) -> None:
    finished = rlmem(*words.split())
    assert_refused(finished, 2, *parts)
    assert words == "" or finished.out == ""
    assert list(here.iterdir()) == []


def test_cuda_where_there_is_none(rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for words in ("train corridor", "demo", "bench", "eval x"):
        assert_refused(rlmem(*words.split(), "--device", "cuda"), 2, "no CUDA GPU", "use --device cpu")
    assert list(here.iterdir()) == []


def test_run_that_exists(train: Command, here: Path, folder_hash: Hash, run: Path) -> None:
    before = folder_hash(RUNS)
    assert_refused(train("run"), 2, "the run runs/corridor/run exists", "--name", "rlmem resume runs/corridor/run")
    assert folder_hash(RUNS) == before


def test_folder_that_is_no_run(rlmem: Command, here: Path) -> None:
    (here / "photos").mkdir()
    for command in ("resume", "eval"):
        assert_refused(rlmem(command, "photos"), 2, "photos is no run: it holds no config.json")


def test_name_of_two_runs(rlmem: Command, run: Path, here: Path) -> None:
    shutil.copytree(RUNS / "run", "runs/other/run")
    assert_refused(rlmem("resume", "run"), 2, "several runs are called run", "runs/other/run", "give a path")


def test_run_without_a_checkpoint(rlmem: Command, run: Path, here: Path) -> None:
    shutil.rmtree(RUNS / "run" / "checkpoints")
    for command in ("resume", "eval"):
        assert_refused(rlmem(command, "run"), 1, "holds no checkpoint", "train it anew")


def test_pretrained_weights_cannot_be_resumed(
    rlmem: Command, run: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here / "pretrained" / "tiny-agent"
    folder.mkdir(parents=True)
    shutil.copy(RUNS / "run" / "config.json", folder)
    shutil.copy(RUNS / "run" / "checkpoints" / "step_640" / "model.safetensors", folder)
    monkeypatch.setattr("rlmem.experiments.run_directory.PRETRAINED", folder.parent)
    assert_refused(rlmem("resume", "tiny-agent"), 2, "weights alone", "rlmem eval tiny-agent")
    assert rlmem("eval", "tiny-agent", "--episodes", "2").code == 0
    assert_refused(rlmem("eval", "tiny-agnet"), 2, "pretrained: tiny-agent")


@pytest.mark.parametrize("name", ["model.safetensors", "trainer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "removed", "changed"])
def test_damaged_checkpoint(rlmem: Command, run: Path, here: Path, folder_hash: Hash, name: str, damage: str) -> None:
    file = RUNS / "run" / "checkpoints" / "step_640" / name
    content = file.read_bytes()
    if damage == "removed":
        file.unlink()
    else:
        file.write_bytes(
            content[: len(content) // 2] + (b"" if damage == "cut" else b"?" * (len(content) - len(content) // 2))
        )
    before = folder_hash(RUNS)
    for command in ("resume", "eval"):
        advice = f"rlmem {command} runs/corridor/run --checkpoint step_512"
        assert_refused(rlmem(command, "run"), 1, "step_640 is damaged", name, advice)
    assert folder_hash(RUNS) == before
    assert rlmem("eval", "run", "--checkpoint", "step_512", "--episodes", "2").code == 0
    assert rlmem("resume", "run", "--checkpoint", "step_512").code == 0
    assert find_damage(file.parent) is None


def test_all_checkpoints_damaged(rlmem: Command, run: Path, here: Path) -> None:
    for path in (run / "checkpoints").glob("step_*/state.json"):
        path.write_text("{")
    assert_refused(rlmem("resume", "run"), 1, "step_640 is damaged", "there is no whole one")


def test_unknown_checkpoint(rlmem: Command, run: Path, here: Path) -> None:
    for name in ("step_1", "../.."):
        finished = rlmem("eval", "run", "--checkpoint", name)
        assert_refused(finished, 1, "choose one of step_384, step_512, step_640")


def edit_config(section: str | None, name: str, value: Any) -> None:
    path = RUNS / "run" / "config.json"
    data = json.loads(path.read_text())
    (data if section is None else data[section])[name] = value
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("section", "name", "value", "part"),
    [
        (None, "colour", 1, "the file has the unknown colour"),
        ("model", "colour", 1, "section 'model' has the unknown colour"),
        ("model", "heads", "2", "model.heads is '2'"),
        ("model", "heads", 5, "--heads 5 does not divide the width"),
        ("model", "ramp", 3, "holds another model than config.json describes"),
        ("run", "num_envs", 5, "does not fit the configuration in config.json"),
        ("environment", "max_length", 9, "does not fit the configuration in config.json"),
        (None, "format", 99, "its format is 99"),
        (None, "task", "chess", "its task is 'chess'"),
        (None, "learner", [], "section 'learner' is no JSON object"),
    ],
)
def test_changed_config(
    rlmem: Command, run: Path, here: Path, folder_hash: Hash, section: str, name: str, value: Any, part: str
) -> None:
    edit_config(section, name, value)
    before = folder_hash(RUNS)
    assert_refused(rlmem("resume", "run"), 1, part)
    (RUNS / "run" / ".lock").touch()
    assert folder_hash(RUNS) == before


def test_cut_config(rlmem: Command, run: Path, here: Path) -> None:
    path = RUNS / "run" / "config.json"
    path.write_text(path.read_text()[:50])
    for command in ("resume", "eval"):
        assert_refused(rlmem(command, "run"), 1, "config.json is no whole JSON file")


def test_diverging_loss(
    rlmem: Command, train: Command, here: Path, monkeypatch: pytest.MonkeyPatch, folder_hash: Hash
) -> None:
    update = Learner.update

    def diverge(learner: Learner, rollout: Any, **keywords: Any) -> dict[str, float]:
        if keywords["progress"] >= 0.5:
            rollout.reward[0, 0] = float("nan")
        return update(learner, rollout, **keywords)

    monkeypatch.setattr(Learner, "update", diverge)
    finished = train("run", "--checkpoint-interval", "256")
    assert_refused(
        finished, 1, "the loss became nan", "lower --learning-rate", "last good checkpoint is runs/corridor/run/checkp"
    )
    assert [path.name for path in (RUNS / "run" / "checkpoints").iterdir()] == ["step_256"]
    path = RUNS / "run" / "checkpoints" / "step_256"
    assert find_damage(path) is None
    assert all(p.isfinite().all() for p in load_policy(path / "model.safetensors").parameters())
    monkeypatch.undo()
    os.chdir(here)
    assert rlmem("resume", "run").code == 0


def test_diverged_weights_are_not_saved(train: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    update = Learner.update

    def diverge(learner: Learner, rollout: Any, **keywords: Any) -> dict[str, float]:
        metrics = update(learner, rollout, **keywords)
        if keywords["progress"] > 0.5:
            torch.nn.init.constant_(learner.policy.heads.bias, float("nan"))
        return metrics

    monkeypatch.setattr(Learner, "update", diverge)
    finished = train("run", "--checkpoint-interval", "32", "--eval-interval", "0")
    assert_refused(finished, 1, "heads.bias are no longer finite")
    assert max(int(p.name[5:]) for p in (RUNS / "run" / "checkpoints").iterdir()) == 352


def test_full_disk(here: Path, tiny: list[str], rlmem_process: Callable[..., subprocess.Popen[str]]) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    process = rlmem_process("train", "corridor", *tiny, "--name", "run", "--quiet", preexec_fn=limit)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    assert "File too large" in err
    assert list((RUNS / "run" / "checkpoints").glob("step_*")) == []


def test_folder_that_cannot_be_written(rlmem: Command, here: Path) -> None:
    (here / "runs").write_text("a file")
    assert_refused(rlmem("train", "corridor", "--name", "run"), 1, "runs")
    assert (here / "runs").read_text() == "a file"


def test_pretrained_folder_is_the_packages() -> None:
    assert PRETRAINED.parent.name == "experiments"
