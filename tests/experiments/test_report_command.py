"""`rlmem report`: a run's files, the curve in them, and what it refuses."""

from __future__ import annotations

import json
import platform
from dataclasses import replace
from pathlib import Path

import pytest

from rlmem.experiments.allocator import keep_freed_memory
from rlmem.experiments.arguments import parse_train
from rlmem.experiments.cli import main
from rlmem.experiments.curve import read_curve
from rlmem.experiments.report_command import command_of
from rlmem.experiments.run_directory import RunDirectory

_TINY = (
    "--num-envs 4 --num-steps 8 --model 16 --feedforward 16 --max-span 12 --ramp 2 --max-length 6 "
    "--max-episode-steps 20 --num-minibatches 2 --total-timesteps 256 --log-interval 32 --checkpoint-interval 128 "
    "--eval-interval 128 --eval-episodes 4 --num-threads 1 --seed 3 --quiet --name r --output"
)
TINY = _TINY.split()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    assert main(["train", "corridor", *TINY, str(root)]) == 0
    return root / "corridor" / "r"


def test_the_report_holds_what_the_run_was_and_gave(
    run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, weights = tmp_path / "out", tmp_path / "weights"
    words = ["report", str(run), "--out", str(out), "--episodes", "6", "--weights", str(weights)]
    assert main(words) == 0
    report = json.loads((out / "r.json").read_text())
    assert report["config"] == json.loads((run / "config.json").read_text())
    assert report["trained_with"] == json.loads((run / "provenance.json").read_text())
    assert report["checkpoint"] == "step_256"
    assert report["evaluation"]["as_trained"]["episodes"] == 6
    assert report["evaluation"]["zero_spans"]["zero_spans"] is True
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert report["curve"]["step"] == [line["step"] for line in lines]
    sizes = [line["memory/size_mean"] for line in lines]
    assert report["curve"]["memory/size_mean"] == pytest.approx(sizes, rel=1e-4)
    assert (out / "r.png").read_bytes().startswith(b"\x89PNG")

    capfd.readouterr()
    assert main(["eval", str(weights), "--episodes", "6", "--json"]) == 0
    evaluated = json.loads(capfd.readouterr().out)
    assert evaluated["success_rate"] == report["evaluation"]["as_trained"]["success_rate"]

    before = (out / "r.json").read_bytes()
    assert main(words) == 2
    assert "is not overwritten" in capfd.readouterr().err
    assert (out / "r.json").read_bytes() == before


def test_the_command_trains_the_same_configuration_again(run: Path) -> None:
    config = RunDirectory(run).config
    words = command_of(config).split()
    assert words[:3] == ["rlmem", "train", "corridor"]
    assert "--gamma" not in words
    again = parse_train(words[2:]).config
    assert replace(again, run=replace(again.run, device=config.run.device)) == config
    flipped = replace(config, learner=replace(config.learner, anneal_lr=False))
    assert parse_train(command_of(flipped).split()[2:]).config.learner == flipped.learner


def test_a_long_curve_is_thinned_and_keeps_evaluations_and_the_end(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [{"step": step, "memory/size_mean": 1.0, "train/value_loss": 2.0} for step in range(1000)]
    lines[601]["eval/mean_reward"] = 0.5
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    curve = read_curve(path, ("memory/", "eval/"))
    assert len(curve["step"]) < 420
    assert {601, 999} <= set(curve["step"])
    assert curve["eval/mean_reward"][curve["step"].index(601)] == 0.5
    assert "train/value_loss" not in curve


def test_a_run_without_a_curve_is_refused(run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "none"), "--out", str(tmp_path)]) == 2
    assert "there is no run" in capfd.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["report", str(run), "--out", str(tmp_path), "--episodes", "0"])
    assert "--episodes is 0" in capfd.readouterr().err


def test_the_allocator_takes_its_settings_where_it_is_glibc() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
