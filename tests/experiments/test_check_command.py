"""`rlmem check`: runs, pretrained weights and users' policies; exit codes; what is refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]

MODULE = """
import torch
from gymnasium import spaces
from torch import nn

import rlmem


class Counter(nn.Module):
    observation_space = spaces.Box(-1, 1, (2,))

    def __init__(self):
        super().__init__()
        self.heads = nn.Linear(2, 3)

    def initial_state(self, batch):
        return torch.zeros(batch, 2)

    def act(self, observation, state, is_first):
        state = state * ~is_first[:, None] + observation
        scores = self.heads(torch.tanh(state))
        return scores[:, :2], scores[:, 2], state

    def window(self, observation, state, is_first):
        steps = []
        for time in range(is_first.shape[1]):
            *step, state = self.act(observation[:, time], state, is_first[:, time])
            steps.append(step)
        outputs, values = (torch.stack(part, dim=1) for part in zip(*steps))
        return outputs, values, state.detach()

    def bootstrap(self, observation, state):
        return self.act(observation, state, torch.zeros(len(state), dtype=torch.bool))[1]


class Broken(Counter):
    def bootstrap(self, observation, state):
        return self.act(observation, torch.zeros_like(state), torch.zeros(len(state), dtype=torch.bool))[1]


class Raises(Counter):
    def window(self, observation, state, is_first):
        raise KeyError("colour")


class Holder:
    policy = Counter()


def make(): return Counter()
def make_agent():
    model = rlmem.ModelConfig(model=8, heads=1, feedforward=8)
    return rlmem.Agent("CartPole-v1", num_envs=1, device="cpu", model=model)
def needs(width): return Counter()
def leaves(): raise SystemExit("no licence")

number = 3
"""


@pytest.fixture
def module(here: Path) -> Iterator[str]:
    """The name of a module in the working folder."""
    name = "user_policies"
    (here / f"{name}.py").write_text(MODULE)
    (here / "broken_module.py").write_text("import json\njson.loads('{')\n")
    (here / "needs_module.py").write_text("import a_module_that_is_not_there\n")
    path = list(sys.path)
    yield name
    sys.path[:] = path
    for word in (name, "broken_module", "needs_module"):
        sys.modules.pop(word, None)


def words_of(finished: Any) -> str:
    return " ".join(finished.err.replace("│", " ").split())


def test_a_run(run: Path, rlmem: Command) -> None:
    finished = rlmem("check", "run", "--steps", "16")
    assert finished.code == 0, finished
    assert finished.err == ""
    assert "step_640" in finished.out
    for word in ("acting", "window_size", "bootstrap", "passed", "difference", "where"):
        assert word in finished.out
    report = json.loads(rlmem("check", "run", "--steps", "16", "--checkpoint", "step_512", "--json").out)
    assert report["passed"] is True
    assert report["policy"] == "runs/corridor/run, step_512"
    assert {one["status"] for one in report["properties"]} <= {"passed", "not checked"}
    assert sum(one["status"] == "passed" for one in report["properties"]) >= 9


def test_pretrained_weights(rlmem: Command, here: Path) -> None:
    report = json.loads(rlmem("check", "corridor-expire-span", "--steps", "12", "--batch", "2", "--json").out)
    assert report["passed"] is True
    assert report["policy"].endswith("corridor-expire-span")
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("attribute", ["Counter", "make", "Holder.policy"])
def test_a_users_policy(rlmem: Command, module: str, attribute: str) -> None:
    finished = rlmem("check", f"{module}:{attribute}", "--steps", "12")
    assert finished.code == 0, finished
    assert f"{module}:{attribute}" in finished.out
    assert "deletion was not checked: the policy has no method window_keeping_all" in " ".join(finished.out.split())


def test_an_agent(rlmem: Command, module: str) -> None:
    finished = rlmem("check", f"{module}:make_agent", "--steps", "12", "--weight-noise", "0.1", "--json")
    assert json.loads(finished.out)["passed"] is True, finished


def test_a_policy_that_fails(rlmem: Command, module: str) -> None:
    finished = rlmem("check", f"{module}:Broken", "--steps", "12")
    assert finished.code == 1
    assert finished.err == ""
    assert "bootstrap failed: The value of what follows" in " ".join(finished.out.split())
    report = json.loads(rlmem("check", f"{module}:Broken", "--steps", "12", "--json").out)
    assert report["passed"] is False
    failed = [one for one in report["properties"] if one["status"] == "failed"]
    assert [one["name"] for one in failed] == ["bootstrap"]
    assert failed[0]["where"]["step"] >= 1
    assert failed[0]["difference"] > failed[0]["tolerance"]


@pytest.mark.parametrize(
    ("words", "code", "parts"),
    [
        ("nothing", 2, ("there is no run 'nothing'",)),
        ("", 2, ("required",)),
        ("x --steps 7", 2, ("--steps is 7", "at least 8")),
        ("x --batch 0", 2, ("--batch is 0",)),
        ("x --seed -1", 2, ("--seed is -1",)),
        ("x --tolerance 0", 2, ("--tolerance is 0.0", "positive")),
        ("x --tolerance nan", 2, ("--tolerance is nan",)),
        ("x --weight-noise -1", 2, ("--weight-noise is -1.0",)),
        ("x --dtype float16", 2, ("--dtype", "'float16'")),
        (":make", 2, ("names no policy", "module:attribute")),
        ("user_policies:", 2, ("names no policy",)),
        ("no_such_module:make", 2, ("there is no module 'no_such_module'",)),
        ("user_policies.py:make", 2, ("there is no module 'user_policies.py'", "without .py")),
        ("user_policies:mkae", 2, ("user_policies has no 'mkae'", "did you mean 'make'?")),
        ("user_policies:Holder.colour", 2, ("user_policies has no 'Holder.colour'",)),
        ("user_policies:make --checkpoint step_1", 2, ("--checkpoint chooses a run's weights",)),
        ("corridor-expire-span --checkpoint step_1", 2, ("holds weights alone", "leave --checkpoint out")),
        ("broken_module:make", 1, ("importing broken_module raised JSONDecodeError",)),
        ("needs_module:make", 1, ("importing needs_module raised ModuleNotFoundError", "a_module_that_is_not_there")),
        ("user_policies:needs", 1, ("user_policies:needs() raised TypeError", "takes no arguments")),
        ("user_policies:leaves", 1, ("user_policies:leaves() raised SystemExit: no licence",)),
        ("user_policies:number", 1, ("of type int has no method initial_state, window, act, bootstrap",)),
        ("user_policies:Raises", 1, ("the policy raised KeyError: 'colour'",)),
    ],
)
def test_refused(rlmem: Command, module: str, words: str, code: int, parts: tuple[str, ...]) -> None:
    finished = rlmem("check", *words.split())
    assert finished.code == code, finished
    assert finished.out == ""
    assert "Traceback" not in finished.err
    for part in parts:
        assert part in words_of(finished), words_of(finished)


def test_unknown_checkpoint_and_damage(run: Path, rlmem: Command) -> None:
    finished = rlmem("check", "run", "--checkpoint", "step_1")
    assert finished.code == 1
    assert "choose one of step_384, step_512, step_640" in words_of(finished)
    (run / "checkpoints" / "step_640" / "model.safetensors").write_bytes(b"")
    finished = rlmem("check", "run")
    assert finished.code == 1
    assert "rlmem check runs/corridor/run --checkpoint step_512" in words_of(finished)
