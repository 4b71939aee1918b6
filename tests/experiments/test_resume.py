"""A run that is stopped and resumed is, to the bit, the run that was never stopped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rlmem.experiments.event_files import read_steps

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
RUNS = Path("runs/corridor")


def assert_same_run(recorded: Any, run: Path, expected: Path) -> None:
    recorded.assert_same(run, expected)
    assert len(recorded.lines(run)) == 10
    with np.load(run / "evaluations.npz") as one, np.load(expected / "evaluations.npz") as two:
        assert one["timesteps"].tolist() == [320, 640]
        assert all(np.array_equal(one[name], two[name]) for name in ("results", "ep_lengths", "successes"))


def assert_events_are_the_lines(recorded: Any, run: Path) -> None:
    """TensorBoard has each finite number of metrics.jsonl once, and each evaluation's two histograms and picture."""
    steps = [step for path in run.glob("events.*") for step in read_steps(path)]
    per_step = {step: steps.count(step) for step in steps}
    numbers = {line["step"]: len([v for v in line.values() if v is not None]) - 1 for line in recorded.lines(run)}
    clock = 3  # values under time/
    drawn = {320: 3, 640: 3}
    assert per_step == {step: count + clock + drawn.get(step, 0) for step, count in numbers.items()}


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def is_at_checkpoint(name: str) -> Callable[[], bool]:
    return lambda: any((RUNS / name / "checkpoints").glob("step_*"))


@pytest.mark.parametrize("flags", [[], ["--algorithm", "a2c", "--optimizer", "rmsprop", "--anneal-lr"]])
@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl"])
def test_resume_from_every_kept_checkpoint(
    train: Command,
    rlmem: Command,
    here: Path,
    memory: str,
    flags: list[str],
    recorded: Any,
) -> None:
    flags = [*flags, "--memory", memory]
    assert train("whole", *flags).code == 0
    for step in (384, 512):
        shutil.copytree(RUNS / "whole", RUNS / f"from_{step}")
        finished = rlmem("resume", f"from_{step}", "--checkpoint", f"step_{step}")
        assert finished.code == 0, finished
        assert "set a later checkpoint aside as" in finished.out
        assert_same_run(recorded, RUNS / f"from_{step}", RUNS / "whole")
        assert (RUNS / f"from_{step}" / "checkpoints" / "aside_1_step_640").is_dir()


def test_tensorboard_is_cut_back_too(train: Command, rlmem: Command, here: Path, recorded: Any) -> None:
    train("run", "--eval-images")
    assert rlmem("resume", "run", "--checkpoint", "step_384").code == 0
    assert_events_are_the_lines(recorded, RUNS / "run")


def test_kill_in_the_middle_and_resume(
    train: Command,
    rlmem: Command,
    rlmem_process: Start,
    tiny: list[str],
    here: Path,
    recorded: Any,
) -> None:
    train("whole", "--total-timesteps", "640")
    process = rlmem_process("train", "corridor", *tiny, "--name", "killed", "--keep-checkpoints", "1", "--eval-images")
    wait_for(is_at_checkpoint("killed"), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    step = int(recorded.last_checkpoint(RUNS / "killed").name[5:])
    resumed = rlmem_process("resume", "killed")
    out, err = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, err
    assert step < 640, "the kill came after the end"
    assert_same_run(recorded, RUNS / "killed", RUNS / "whole")
    assert_events_are_the_lines(recorded, RUNS / "killed")
    assert list((RUNS / "killed" / "checkpoints").glob(".*")) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_save_and_say_how_to_resume(
    train: Command,
    rlmem: Command,
    rlmem_process: Start,
    tiny: list[str],
    here: Path,
    number: signal.Signals,
    code: int,
    recorded: Any,
) -> None:
    train("whole")
    never = ["--checkpoint-interval", "0"]
    process = rlmem_process("train", "corridor", *tiny, "--name", "stopped", *never)
    wait_for(
        lambda: (RUNS / "stopped" / "metrics.jsonl").exists() and len(recorded.lines(RUNS / "stopped")) > 0, process
    )
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert err == ""
    assert "saved; go on with: rlmem resume runs/corridor/stopped" in out
    assert rlmem("resume", "runs/corridor/stopped").code == 0
    assert_same_run(recorded, RUNS / "stopped", RUNS / "whole")


def test_second_interrupt_stops_at_once(
    here: Path, rlmem: Command, monkeypatch: pytest.MonkeyPatch, tiny: list[str]
) -> None:
    from rlmem.agents.trainer import Trainer

    def interrupt_twice(trainer: Trainer) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("the second Ctrl-C did nothing")

    monkeypatch.setattr(Trainer, "iterate", interrupt_twice)
    handler = signal.getsignal(signal.SIGINT)
    finished = rlmem("train", "corridor", *tiny, "--name", "run")
    assert finished.code == 130
    assert "stopped at once" in finished.err
    assert signal.getsignal(signal.SIGINT) is handler


def test_finished_run_is_left_alone_and_can_be_made_longer(
    train: Command,
    rlmem: Command,
    here: Path,
    folder_hash: Callable[[Path], str],
    recorded: Any,
) -> None:
    train("run", "--total-timesteps", "320", "--quiet", "--no-anneal-lr")  # annealing looks at the whole length
    checkpoint = folder_hash(RUNS / "run" / "checkpoints")
    assert rlmem("resume", "run").code == 0
    assert folder_hash(RUNS / "run" / "checkpoints") == checkpoint
    assert rlmem("resume", "run", "--total-timesteps", "640").code == 0
    train("whole", "--no-anneal-lr")
    assert_same_run(recorded, RUNS / "run", RUNS / "whole")
    assert "is less than the 640 steps" in rlmem("resume", "run", "--total-timesteps", "100").err


def test_a_run_has_one_writer(
    train: Command, rlmem: Command, rlmem_process: Start, tiny: list[str], here: Path
) -> None:
    process = rlmem_process("train", "corridor", *tiny, "--name", "run", "--total-timesteps", "1000000")
    wait_for(is_at_checkpoint("run"), process)
    finished = rlmem("resume", "run")
    assert finished.code == 1
    assert "is being trained by another process" in finished.err
