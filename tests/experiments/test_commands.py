"""The command line beyond training: help, presets, dry run, environments, demo, bench."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.arguments import TrainArguments, parse_train
from rlmem.experiments.cli import COMMANDS
from rlmem.experiments.dry_run import predicted_memory
from rlmem.experiments.presets import PRESETS, find_preset
from rlmem.experiments.train_config import TrainConfig

Command = Callable[..., Any]


def test_help_names_every_command_and_needs_no_torch(here: Path) -> None:
    program = (
        "import sys; from rlmem.experiments.cli import main; main(['--help']); main(['--version']);"
        "sys.exit('torch' in sys.modules)"
    )
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert [name for name in COMMANDS if f"  {name} " not in finished.stdout] == []
    assert finished.stdout.splitlines()[-1].startswith("rlmem 0.")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command(rlmem: Command, command: str) -> None:
    finished = rlmem(command, "--help")
    assert finished.code == 0
    assert finished.out.startswith(f"usage: rlmem {command}")


def test_help_of_a_task_shows_the_presets_defaults(rlmem: Command) -> None:
    assert "--max-length INT" in rlmem("train", "corridor", "--help").out
    assert "longest corridor, in cells. (default: 60)" in " ".join(
        rlmem("train", "corridor", "--preset", "demo", "--help").out.replace("│", " ").split()
    ).replace("Longest", "longest")


@pytest.mark.parametrize("name", PRESETS["corridor"])
def test_presets_survive_json(name: str) -> None:
    preset = PRESETS["corridor"][name]
    assert TrainConfig.from_json(json.loads(json.dumps(preset.to_json()))) == preset
    assert preset.model.position_reach == preset.learner.num_steps


def read(words: str) -> TrainArguments:
    return parse_train(words.split())


def test_flags_override_the_preset_and_nothing_else() -> None:
    arguments = read("corridor --preset demo --seed 2 --max_length=30 --no-norm-adv --name run")
    demo = find_preset("corridor", "demo")
    expected = replace(
        demo,
        environment=replace(demo.environment, max_length=30),  # type: ignore[call-arg]
        run=replace(demo.run, seed=2),
        learner=replace(demo.learner, norm_adv=False),
    )
    assert arguments.config == expected
    assert arguments.name == "run"


def test_position_reach_follows_the_window_unless_given() -> None:
    assert read("corridor --num-steps 50").config.model.position_reach == 50
    assert read("corridor --num_steps=50 --position_reach 70").config.model.position_reach == 70
    assert read("corridor --num-steps 50 --position-reach=100").config.model.position_reach == 100


def test_dry_run(rlmem: Command, here: Path) -> None:
    finished = rlmem("train", "corridor", "--dry-run", "--seed", "9", "--device", "cpu", "--num-threads", "1")
    assert finished.code == 0
    assert list(here.iterdir()) == []
    config, _, rest = finished.out.partition("\nparameters: ")
    assert TrainConfig.from_json(json.loads(config)).run.seed == 9
    assert rest.startswith("105,671\n") or int(rest.partition("\n")[0].replace(",", "")) > 50_000
    assert "predicted memory, at most: " in rest


def test_predicted_memory_grows_with_what_it_depends_on() -> None:
    config = find_preset("corridor")
    memory = predicted_memory(config, 1000, 504)
    assert memory["weights"] == 4 * 1000 * 4  # weights, gradients, Adam's two moments
    wide = predicted_memory(replace(config, run=replace(config.run, num_envs=128)), 1000, 504)
    assert all(wide[name] == 2 * memory[name] for name in ("window", "memory", "activations"))
    long = predicted_memory(replace(config, model=replace(config.model, max_span=512)), 1000, 504)
    assert long["memory"] == memory["memory"] * 528 / 272


def test_metrics_names(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [64 * n for n in range(1, 11)]
    wanted = """rollout/ep_rew_mean rollout/ep_len_mean rollout/success_rate time/fps time/total_timesteps
        train/policy_gradient_loss train/value_loss train/entropy_loss train/approx_kl train/explained_variance
        train/grad_norm eval/mean_reward eval/success_rate memory/size_mean memory/size_max memory/span_mean
        memory/span_max memory/evicted memory/size_mean/layer_0 memory/evicted/layer_1"""
    assert set(wanted.split()) - set(lines[-1]) == set()
    assert lines[-1]["time/total_timesteps"] == 640


def test_default_names_do_not_collide(rlmem: Command, tiny: list[str], here: Path) -> None:
    for _ in range(3):
        assert rlmem("train", "corridor", *tiny, "--total-timesteps", "32").code == 0
    names = sorted(path.name for path in Path("runs/corridor").iterdir())
    assert len(names) == 3
    assert all(name.startswith("corridor-expire_span-s3-") for name in names)


def test_envs(rlmem: Command) -> None:
    out = rlmem("envs").out
    for words in ("rlmem/Corridor-v0", "min_length=3, max_length=200", "Box(0, 1, (3, 3, ", "Discrete(4)", "corridor"):
        assert words in out


def test_demo_that_fails_says_so(rlmem: Command, tiny: list[str], here: Path) -> None:
    finished = rlmem("demo", *tiny, "--episodes", "6")
    assert finished.code == 1
    (run,) = Path("runs/demo").iterdir()
    for words in (
        "success in 6 new corridors",
        "with every span at 0",
        f"The run is in {run}",
        f"rlmem eval {run}",
        "tensorboard --logdir",
        f"rlmem resume {run}",
        "rlmem train corridor",
        "did not learn",
    ):
        assert words in finished.out


def test_demo_that_succeeds(rlmem: Command, tiny: list[str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmem.experiments.demo.TARGET", 0.0)
    finished = rlmem("demo", *tiny, "--episodes", "2", "--quiet")
    assert finished.code == 0
    assert "did not learn" not in finished.out
