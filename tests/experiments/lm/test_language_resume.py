"""A language model's run that is stopped and resumed is, to the bit, the run that was never stopped."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.event_files import read_steps

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
RUNS = Path("runs/copy")


RANDOM = [
    "--dropout", "0.1", "--attention-dropout", "0.1", "--embedding-dropout", "0.1", "--output-dropout", "0.1",
    "--memory-dropout", "--initial-span-fraction", "0.9",
]  # fmt: skip


@pytest.mark.parametrize(
    "flags",
    [
        ["--log-interval", "3", "--schedule", "cosine", *RANDOM],  # lines gather updates from before the checkpoint
        ["--fine-tune-updates", "4", "--updates", "16", "--accumulate", "2", "--memory", "adaptive_span"],
        ["--precision", "bf16", "--memory", "compressive", "--num-compressed", "3", "--optimizer", "rmsprop"],
        ["--memory", "transformer_xl", "--fused", "--dropout", "0.2"],
    ],
    ids=["expire_span", "adaptive_span", "compressive", "transformer_xl"],
)
def test_resume_from_a_kept_checkpoint(
    lm_train: Command, rlmem: Command, here: Path, flags: list[str], recorded: Any
) -> None:
    assert lm_train("whole", *flags).code == 0
    shutil.copytree(RUNS / "whole", RUNS / "again")
    finished = rlmem("resume", "again", "--checkpoint", "step_16")
    assert finished.code == 0, finished
    assert "set a later checkpoint aside as" in finished.out
    recorded.assert_same(RUNS / "again", RUNS / "whole")
    steps = [step for path in (RUNS / "again").glob("events.*") for step in read_steps(path)]
    lines = {
        line["step"]: len([value for value in line.values() if value is not None]) - 1
        for line in recorded.lines(RUNS / "again")
    }
    clock = 3  # values under time/
    assert {step: steps.count(step) for step in steps} == {step: count + clock for step, count in lines.items()}


def test_kill_in_the_middle_and_resume(
    lm_train: Command,
    rlmem_process: Start,
    rlmem: Command,
    lm_tiny: list[str],
    here: Path,
    recorded: Any,
) -> None:
    longer = ["--updates", "60", *RANDOM]
    lm_train("whole", *longer)
    process = rlmem_process("lm", "train", "copy", *lm_tiny, "--name", "killed", "--keep-checkpoints", "1", *longer)
    while not any((RUNS / "killed" / "checkpoints").glob("step_*")):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert int(recorded.last_checkpoint(RUNS / "killed").name[5:]) < 60, "the kill came after the end"
    assert rlmem("resume", "killed").code == 0
    recorded.assert_same(RUNS / "killed", RUNS / "whole")


def test_signals_save_and_say_how_to_resume(
    lm_train: Command,
    rlmem: Command,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    recorded: Any,
) -> None:
    from rlmem.experiments.lm.trainer import LanguageTrainer

    lm_train("whole")
    iterate = LanguageTrainer.iterate

    def interrupted(trainer: LanguageTrainer) -> dict[str, float]:
        if trainer.updates == 6:
            signal.raise_signal(signal.SIGTERM)
        return iterate(trainer)

    monkeypatch.setattr(LanguageTrainer, "iterate", interrupted)
    finished = lm_train("stopped", "--checkpoint-interval", "0")
    assert finished.code == 143
    assert "stopped at step 7 and saved; go on with: rlmem resume runs/copy/stopped" in finished.out
    monkeypatch.undo()
    monkeypatch.chdir(here)
    assert rlmem("resume", "runs/copy/stopped").code == 0
    recorded.assert_same(RUNS / "stopped", RUNS / "whole")


def test_finished_run_can_be_made_longer(lm_train: Command, rlmem: Command, here: Path, recorded: Any) -> None:
    lm_train("run", "--updates", "10", "--schedule", "constant")  # a cosine looks at the whole length
    lm_train("whole", "--schedule", "constant")
    assert rlmem("resume", "run", "--updates", "20").code == 0
    recorded.assert_same(RUNS / "run", RUNS / "whole")
    assert "is less than the 20 updates that the run has done" in rlmem("resume", "run", "--updates", "4").err
    refused = rlmem("resume", "run", "--total-timesteps", "40")
    assert refused.code == 2
    assert "runs/copy/run is a language model's run; use --updates" in refused.err


def test_fine_tuning_that_has_begun_fixes_the_length(lm_train: Command, rlmem: Command, here: Path) -> None:
    lm_train("run", "--updates", "10", "--fine-tune-updates", "10")
    refused = rlmem("resume", "run", "--updates", "30")
    assert refused.code == 2
    assert "fine-tuning, which has begun; train anew with --init" in refused.err


def test_text_resumes_too(rlmem: Command, lm_tiny: list[str], here: Path, recorded: Any) -> None:
    (here / "enwik8").write_bytes(bytes(range(32, 127)) * 60)
    flags = lm_tiny[lm_tiny.index("--batch") :]
    words = ["lm", "train", "enwik8", "--data", "enwik8", *flags, "--eval-interval", "0"]
    assert rlmem(*words, "--name", "whole").code == 0
    runs = Path("runs/enwik8")
    shutil.copytree(runs / "whole", runs / "again")
    assert rlmem("resume", "runs/enwik8/again", "--checkpoint", "step_16").code == 0
    recorded.assert_same(runs / "again", runs / "whole")
