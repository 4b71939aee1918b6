"""`rlmem compare` from end to end: tiny real runs in processes, killed, stopped and gone on with; what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.cli import main
from rlmem.experiments.run_directory import RunDirectory

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

_FLAGS = (
    "--num-envs 4 --num-steps 8 --model 16 --feedforward 16 --ramp 2 --max-length 6 --max-episode-steps 20 "
    "--num-minibatches 2 --log-interval 64 --checkpoint-interval 128 --eval-interval 320 --eval-episodes 4"
)
_WORDS = "--kinds transformer_xl:4 expire_span:6 --seeds 1 2 --total-timesteps 640 --jobs 2 --episodes 10 --out fig"
NAMES = ["transformer_xl-L4-s1", "transformer_xl-L4-s2", "expire_span-L6-s1", "expire_span-L6-s2"]
RUNS = Path("runs/fig")
CLOCKED = {"steps_per_second", "peak_memory_mib", "trained_with", "made_with"}


def words(**changes: str) -> list[str]:
    """The command line of the tiny comparison; keywords replace the values of its flags, or are added."""
    given = _WORDS
    for name, value in changes.items():
        flag = f"--{name.replace('_', '-')}"
        before, is_there, after = given.partition(f"{flag} ")
        rest = after.partition(" --")
        given = f"{before}{flag} {value}{rest[1]}{rest[2]}" if is_there else f"{given} {flag} {value}"
    return ["compare", "corridor", *given.split(), "--", *_FLAGS.split()]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny comparison was made, once for all tests; copy it."""
    folder = tmp_path_factory.mktemp("compared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(words()) == 0
    return folder


@pytest.fixture
def copy(here: Path, compared: Path) -> Path:
    """The finished comparison, for a test of its own, in the working folder."""
    shutil.copytree(compared, here, dirs_exist_ok=True)
    return here


def read(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "fig" / "comparison.json").read_text())
    return content


def without_clocks(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_clocks(one) for name, one in value.items() if name not in CLOCKED}
    return [without_clocks(one) for one in value] if isinstance(value, list) else value


def worker_of(folder: Path, name: str) -> int | None:
    """The process of a run."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if f"{(folder / RUNS).resolve()} {name} " in line]
    return int(lines[0].split()[0]) if lines else None


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def test_everything_is_in_the_results(compared: Path) -> None:
    comparison = read(compared)
    assert [run["name"] for run in comparison["runs"]] == NAMES
    assert comparison["arguments"]["train_flags"] == _FLAGS.split()
    assert comparison["command"].startswith("rlmem compare corridor --kinds transformer_xl:4")
    assert set(comparison["players"]) == {"oracle", "memoryless", "random"}
    assert comparison["players"]["oracle"]["success_rate"] == 1.0
    for run in comparison["runs"]:
        assert run["status"] == "finished"
        assert run["evaluation"]["episodes"] == 10
        assert run["evaluation"]["checkpoint"] == "step_640"
        assert run["curve"]["step"][-1] == 640
        assert run["peak_memory_mib"] > 50
        assert run["steps_per_second"] > 0
    assert comparison["runs"][3]["config_difference"] == {"model.max_span": 6, "run.seed": 2}
    assert comparison["runs"][0]["parameters"] < comparison["runs"][2]["parameters"]
    assert [one["seeds"] for one in comparison["aggregates"]] == [[1, 2], [1, 2]]
    assert (compared / "fig" / "comparison.png").read_bytes().startswith(b"\x89PNG")
    table = (compared / "fig" / "TABLE.md").read_text()
    assert [name for name in NAMES if f"| {name} |" not in table] == []


def test_a_run_is_one_that_train_would_have_made(copy: Path, rlmem: Command) -> None:
    flags = [*_FLAGS.split(), "--num-threads", "1", "--seed", "2", "--max-span", "6", "--total-timesteps", "640"]
    assert rlmem("train", "corridor", *flags, "--name", "plain", "--quiet").code == 0
    ours, theirs = RunDirectory(RUNS / NAMES[3]), RunDirectory(Path("runs/corridor/plain"))
    assert ours.config == theirs.config
    weights = [run.path / "checkpoints/step_640/model.safetensors" for run in (ours, theirs)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert rlmem("eval", str(ours.path), "--episodes", "2").code == 0
    assert rlmem("report", str(ours.path), "--episodes", "2", "--out", "out").code == 0


def test_finished_runs_are_left_alone_and_more_can_be_added(copy: Path, rlmem: Command) -> None:
    before = read(copy)
    saved = {path: path.stat().st_mtime_ns for path in RUNS.rglob("*.safetensors")}
    finished = rlmem(*words())
    assert finished.code == 0
    assert "done:" not in finished.out
    assert without_clocks(read(copy)) == without_clocks(before)
    assert {path: path.stat().st_mtime_ns for path in RUNS.rglob("*.safetensors")} == saved

    dry = rlmem(*words(seeds="1 2 3", dry_run=""))
    assert "transformer_xl-L4-s1: 640 steps, " in dry.out
    assert "6 runs in runs/fig, 3,840 environment steps, 1,280 of them to do" in dry.out


def test_a_killed_run_and_a_stopped_comparison_go_on(
    here: Path, compared: Path, rlmem: Command, rlmem_process: Start
) -> None:
    process = rlmem_process(*words(retries="0"))
    wait_for(lambda: any((RUNS / NAMES[0] / "checkpoints").glob("step_*")), process)
    killed = worker_of(here, NAMES[0])
    assert killed is not None, "the kill came after the end"
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: any((RUNS / NAMES[2] / "checkpoints").glob("step_*")), process)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 143, err
    assert err == ""
    assert f"{NAMES[0]}: failed: it was ended by SIGKILL" in out
    assert "runs are finished, and what was begun is saved; go on with: rlmem compare corridor --kinds" in out
    assert [name for name in NAMES if worker_of(here, name) is not None] == []
    assert not Path("fig").exists()

    finished = rlmem(*words())
    assert finished.code == 0, finished
    assert without_clocks(read(here)) == without_clocks(read(compared))


def test_workers_end_with_their_parent(here: Path, rlmem_process: Start) -> None:
    flags = ["--total-timesteps", "64000", "--kinds", "expire_span:6", "--seeds", "1"]
    process = rlmem_process("compare", "corridor", *flags, "--out", "fig", "--", *_FLAGS.split())
    wait_for(lambda: any((RUNS / NAMES[2] / "checkpoints").glob("step_*")), process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while worker_of(here, NAMES[2]) is not None:
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)
    assert "saved; go on with" in (RUNS / "logs" / f"{NAMES[2]}.log").read_text()


def test_a_failed_run_stands_in_the_table(copy: Path, rlmem: Command) -> None:
    (RUNS / NAMES[1] / "evaluation.json").unlink()
    (RUNS / NAMES[1] / "checkpoints" / "step_640" / "state.json").unlink()
    finished = rlmem(*words())
    assert finished.code == 1
    assert "1 of 4 runs failed; to try them again: rlmem compare" in finished.err
    assert f"the run {NAMES[1]} failed: the checkpoint" in finished.err
    assert "Traceback" not in finished.err
    comparison = read(copy)
    assert [run["status"] for run in comparison["runs"]] == ["finished", "failed", "finished", "finished"]
    assert "state.json is missing" in comparison["runs"][1]["error"]
    table = (copy / "fig" / "TABLE.md").read_text()
    assert f"| {NAMES[1]} | failed |" in table
    assert "| transformer_xl | 4 | 1 (1 failed) |" in table


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"total_timesteps": "320"}, ("runs/fig holds another comparison: run.total_timesteps", "640 there, not 320")),
        ({"seeds": "1"}, ("with the run transformer_xl-L4-s2, which is not asked for",)),
        ({"name": "other"}, ()),
        ({"name": "other", "total_timesteps": "320"}, ("fig holds another comparison", "what all runs share is 640")),
        ({"name": "corridor"}, ("runs/corridor exists and is no comparison",)),
        ({"name": "../up"}, ()),
        ({"out": "notes", "name": "fig"}, ("notes/TABLE.md exists and is of no comparison",)),
        ({"out": "broken", "name": "fig"}, ("broken/comparison.json is no whole comparison",)),
        ({"out": "file", "name": "fig"}, ("file is a file",)),
    ],
)
def test_folders_of_something_else(
    copy: Path, rlmem: Command, changes: dict[str, str], parts: tuple[str, ...], folder_hash: Callable[[Path], str]
) -> None:
    for path, content in (("notes/TABLE.md", ""), ("broken/comparison.json", "{"), ("runs/corridor/x/config.json", "")):
        (copy / path).parent.mkdir(parents=True)
        (copy / path).write_text(content)
    (copy / "file").touch()
    before = folder_hash(copy)
    finished = rlmem(*words(**changes, dry_run=""))
    assert finished.code == (2 if parts else 0), finished
    for part in parts:
        assert part in finished.err
    assert "Traceback" not in finished.err
    assert folder_hash(copy) == before


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("coridor", "the task 'coridor' is unknown; did you mean 'corridor'"),
        ("", "needs a task first, such as rlmem compare corridor"),
        ("--seeds 1", "needs a task first"),
        ("corridor --preset dmo", "the preset 'dmo' is unknown"),
        ("corridor --kinds expire", "the memory kind 'expire' is unknown"),
        ("corridor --kinds lstm:5", "the kind lstm has no memory size"),
        ("corridor --kinds expire_span:0", "the memory size is 0"),
        ("corridor --kinds", "--kinds"),
        ("corridor --seeds", "seeds"),
        ("corridor --seeds -1", "-1"),
        ("corridor --jobs 0", "--jobs is 0, but it must be at least 1"),
        ("corridor --retries -1", "--retries is -1, but it cannot be negative"),
        ("corridor --episodes 0", "--episodes is 0"),
        ("corridor --evaluation-seed -1", "--evaluation-seed is -1"),
        ("corridor --threshold nan", "--threshold is nan"),
        ("corridor --total-timesteps 0", "--total-timesteps is 0"),
        ("corridor --name a/../b!", "cannot name a folder"),
        ("corridor -- --seed 3", "--seed after -- would hold for every run, but runs differ in it; give --seeds"),
        ("corridor -- --max_span=3", "--max-span after --"),
        ("corridor -- --memory lstm", "give --kinds"),
        ("corridor -- --heads 3", "--heads 3 does not divide"),
        ("corridor -- --colour red", "Unrecognized options: --colour"),
        ("gymnasium", "--env-id is missing"),
        ("gymnasium --kinds none@1 -- --env-id Nothing-v0", "Nothing"),
    ],
)
def test_words_that_cannot_be(rlmem: Command, here: Path, given: str, part: str) -> None:
    finished = rlmem("compare", *given.split())
    assert finished.code == 2, finished
    assert part in " ".join(finished.err.replace("│", " ").split())
    assert "Traceback" not in finished.err
    assert list(here.iterdir()) == []


def test_ray_that_is_not_installed(rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)  # importing it raises
    finished = rlmem(*words(cluster="local"))
    assert finished.code == 2
    assert "--cluster needs Ray, which is not installed: pip install 'rlmem[ray]'" in finished.err


def test_one_comparison_at_a_time(copy: Path, rlmem: Command) -> None:
    from rlmem.experiments.run_directory import lock_folder

    with lock_folder(RUNS):
        finished = rlmem(*words())
    assert finished.code == 1
    assert "runs/fig is being trained by another process" in finished.err
