"""Processes that train together: one run on disk, the same after a stop, and an end for all when one ends.

Most tests are the first rank themselves and start the second one as torchrun would.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from rlmem.agents.ranks import ALONE, Ranks
from rlmem.checkpoint import load_tensors
from rlmem.errors import UsageError
from rlmem.experiments import cli
from rlmem.experiments.command_line import command_line
from rlmem.experiments.device import decide_machine
from rlmem.experiments.lm.train_config import LanguageLearnerConfig, LanguageRunConfig, LanguageTrainConfig
from rlmem.experiments.presets import find_preset
from rlmem.experiments.run_directory import RunDirectory
from rlmem.experiments.train_config import RunConfig, TrainConfig

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]
RUNS = Path("runs/corridor")
LANGUAGE_FLAGS = (
    "--min-distance 8 --max-distance 12 --eval-symbols 800 --batch 4 --block 16 --model 16 --heads 2 --feedforward 16 "
    "--max-span 24 --ramp 4 --updates 12 --log-interval 3 --checkpoint-interval 4 --eval-interval 6 --eval-rows 4 "
    "--num-threads 1 --memory-dropout"
)


@pytest.fixture
def together(
    rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[Any, subprocess.CompletedProcess[str]]]:
    """Runs a command in two processes, of which this one is the first; gives what both left behind."""

    def run(*words: str) -> tuple[Any, subprocess.CompletedProcess[str]]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        variables = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
            "TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        command = [sys.executable, "-W", "error", "-m", "rlmem", *words]
        second = subprocess.Popen(
            command, env={**os.environ, **variables, "RANK": "1", "LOCAL_RANK": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            with monkeypatch.context() as patch:
                patch.setattr(sys, "excepthook", sys.excepthook)  # torch.distributed puts its own there
                for name, value in {**variables, "RANK": "0", "LOCAL_RANK": "0"}.items():
                    patch.setenv(name, value)
                first = rlmem(*words)
            out, err = second.communicate(timeout=120)
        finally:
            second.kill()
            if dist.is_initialized():
                dist.destroy_process_group()
        return first, subprocess.CompletedProcess(command, second.returncode, out, err)

    return run


def assert_same_run(recorded: Any, run: Path, expected: Path) -> None:
    recorded.assert_same(run, expected)
    checkpoint, wanted = recorded.last_checkpoint(run), recorded.last_checkpoint(expected)
    assert (checkpoint / "rank_1.safetensors").exists()
    assert (checkpoint / "state.json").read_text() == (wanted / "state.json").read_text()


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


@pytest.fixture
def torchrun(here: Path) -> Iterator[Start]:
    """Starts a command in two processes by torchrun; whatever still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "rlmem"]
        process = subprocess.Popen(
            [*launcher, *words], cwd=here, env={**os.environ, "OMP_NUM_THREADS": "1"}, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            for number in (*ranks_of(process).values(), process.pid):
                os.kill(number, signal.SIGKILL)
        process.communicate()


def ranks_of(process: subprocess.Popen[str]) -> dict[int, int]:
    """Process numbers of torchrun's children, by rank."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    found: dict[int, int] = {}
    for child in children:
        variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
        found |= {int(name[5:]): int(child) for name in variables if name.startswith(b"RANK=")}
    return found


def ours(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("rlmem: error:")]


def test_two_processes_write_one_run_and_resume_to_the_bit(
    together: Command,
    torchrun: Start,
    rlmem: Command,
    tiny: list[str],
    recorded: Any,
) -> None:
    first, second = together("train", "corridor", *tiny, "--name", "whole")
    assert (first.code, second.returncode, first.err, second.stderr, second.stdout) == (0, 0, "", "", "")
    assert "done: 640 steps" in first.out
    whole, run = RUNS / "whole", RUNS / "stopped"
    assert [line["step"] for line in recorded.lines(whole)] == list(range(64, 641, 64))
    config = RunDirectory(whole).config
    assert (config.run.num_envs, config.run.processes) == (4, 2)
    assert command_line("train", "corridor", config, config, ()).startswith(
        "torchrun --nproc-per-node 2 -m rlmem train"
    )
    files = [load_tensors(whole / f"checkpoints/step_640/{name}.safetensors")[0] for name in ("trainer", "rank_1")]
    assert files[0]["is_first"].shape == files[1]["is_first"].shape == (2,)
    assert not torch.equal(files[0]["generator.actions"], files[1]["generator.actions"])
    assert not [name for name in files[1] if name.startswith("optimizer.")]

    ctrl_c_saves_once_and_ends_all(recorded, torchrun("train", "corridor", *tiny, "--name", "stopped"), run)
    refused = rlmem("resume", "stopped")
    assert refused.code == 2
    assert "was trained by 2 processes" in refused.err
    assert "cannot go on with 1; use: torchrun --nproc-per-node 2 -m rlmem resume" in refused.err
    first, second = together("resume", "stopped")
    assert (first.code, second.returncode, second.stderr) == (0, 0, ""), first
    assert_same_run(recorded, run, whole)
    assert rlmem("eval", "stopped", "--episodes", "2").code == 0


def ctrl_c_saves_once_and_ends_all(recorded: Any, process: subprocess.Popen[str], run: Path) -> None:
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(recorded.lines(run)) > 0, process)
    ranks = ranks_of(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    assert ours(err) == []
    assert out.count(f"and saved; go on with: torchrun --nproc-per-node 2 -m rlmem resume {run}") == 1
    assert not [number for number in ranks.values() if Path(f"/proc/{number}").exists()]
    assert recorded.lines(run)[-1]["step"] < 640, "the signal came after the end"


def test_a_language_model_reads_the_same_rows_in_two_processes(
    together: Command, rlmem: Command, recorded: Any
) -> None:
    first, second = together("lm", "train", "copy", *LANGUAGE_FLAGS.split(), "--name", "two")
    assert (first.code, second.returncode, first.err, second.stderr, second.stdout) == (0, 0, "", "", "")
    assert rlmem("lm", "train", "copy", *LANGUAGE_FLAGS.split(), "--name", "one").code == 0
    two, one = recorded.lines(Path("runs/copy/two")), recorded.lines(Path("runs/copy/one"))
    assert [line["step"] for line in two] == [3, 6, 9, 12]
    for line, expected in zip(two, one, strict=True):
        assert line == pytest.approx(expected, rel=1e-3)
    assert two[-1]["eval/loss"] != two[1]["eval/loss"]

    shutil.copytree("runs/copy/two", "runs/copy/again")
    first, second = together("resume", "again", "--checkpoint", "step_4")
    assert (first.code, second.returncode, second.stderr) == (0, 0, ""), first
    assert_same_run(recorded, Path("runs/copy/again"), Path("runs/copy/two"))


def test_a_killed_process_ends_all_and_leaves_the_last_checkpoint(torchrun: Start, tiny: list[str]) -> None:
    process = torchrun("train", "corridor", *tiny, "--name", "run", "--total-timesteps", "1000000")
    run = RUNS / "run"
    wait_for(lambda: any((run / "checkpoints").glob("step_*")), process)
    ranks = ranks_of(process)
    os.kill(ranks[1], signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode != 0
    (message,) = ours(err)
    assert "another of the 2 processes has ended" in message
    checkpoint = RunDirectory(run).checkpoints.choose(None, "")
    assert f"the last good checkpoint is {checkpoint}" in message
    assert not [number for number in ranks.values() if Path(f"/proc/{number}").exists()]


FAILING = """
import os
import gymnasium as gym

class Failing(gym.Env):
    observation_space = action_space = gym.spaces.Discrete(2)
    steps = 0

    def reset(self, *, seed=None, options=None):
        return 0, {}

    def step(self, action):
        self.steps += 1
        if self.steps == 30 and os.environ.get("RANK") == "1":
            raise RuntimeError("out of ink")
        return 0, 0.0, False, False, {}

gym.register("Failing-v0", Failing)
"""


def test_what_fails_in_one_process_is_said_once_and_ends_all(
    together: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "failing.py").write_text(FAILING)
    monkeypatch.setenv("PYTHONPATH", str(here))
    monkeypatch.syspath_prepend(here)
    flags = ["--num-envs", "4", "--num-steps", "20", "--num-minibatches", "1", "--model", "16", "--num-threads", "1"]
    first, second = together("train", "--env-id", "failing:Failing-v0", *flags, "--name", "run")
    assert (first.code, second.returncode) == (1, 1)
    assert first.err == ""
    (message,) = second.stderr.splitlines()[-1:]
    assert message.startswith("rlmem: error: rank 1: environment 0 failed in step 30: RuntimeError: out of ink")
    assert message.endswith("(the run is in runs/failing-Failing-v0/run)")


def test_what_cannot_be_divided_is_said_by_the_first_process(together: Command, here: Path, tiny: list[str]) -> None:
    first, second = together("train", "corridor", *tiny, "--num-envs", "1", "--num-minibatches", "1")
    assert (first.code, second.returncode, second.stdout, second.stderr) == (2, 0, "", "")
    assert first.err == (
        "rlmem: error: --num-envs 1 is less than the 2 processes that torchrun started, each of which needs one; "
        "raise it or start fewer\n"
    )
    assert not (here / "runs").exists()


def test_rows_must_fall_into_equal_parts() -> None:
    agent = find_preset("corridor")
    with pytest.raises(
        UsageError, match="--num-envs 64 cannot be divided evenly among 3 processes; make it a multiple"
    ):
        replace(agent, run=replace(agent.run, processes=3))
    with pytest.raises(
        UsageError, match=r"--num-minibatches 4 is more than the 2 environments .* each of 32 processes"
    ):
        replace(agent, run=replace(agent.run, processes=32))
    with pytest.raises(UsageError, match="--batch 16 is less than the 17 processes"):
        LanguageTrainConfig(run=LanguageRunConfig(processes=17))
    with pytest.raises(UsageError, match="--accumulate 3 is more parts than each of 8 processes has rows"):
        LanguageTrainConfig(run=LanguageRunConfig(processes=8), learner=LanguageLearnerConfig(accumulate=3))
    assert TrainConfig(run=RunConfig(processes=16)).run.processes == 16


class TwoRanks(Ranks):
    size = 2


def test_every_process_needs_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(
        UsageError, match=r"started 2 processes .* finds 1 here; use --nproc-per-node 1, or --device cpu"
    ):
        decide_machine(RunConfig(device="cuda"), TwoRanks())
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    monkeypatch.setenv("LOCAL_RANK", "0")
    taken: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    assert decide_machine(RunConfig(device="auto"), TwoRanks()).processes == 2
    assert taken == [0]


@pytest.mark.parametrize("words", [["envs"], ["lm", "eval", "run"]])
def test_other_commands_run_in_one_process(words: list[str]) -> None:
    with pytest.raises(UsageError, match="runs in one process; start it without torchrun"):
        cli._dispatch(words, TwoRanks())
    assert not cli.is_launched_with_others()
    assert ALONE.size == 1
