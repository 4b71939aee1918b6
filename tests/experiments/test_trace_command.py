"""`rlmem trace`: files that hold what was played, and one clear line for what cannot be."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from matplotlib.image import imread

from rlmem.actor_critic import ActorCritic
from rlmem.checkpoint import save_policy
from rlmem.envs.vocabulary import WORDS
from rlmem.experiments import trace_page
from rlmem.experiments.run_directory import PRETRAINED
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.word_space import WordSpace

CORRIDOR = {"min_length": 3, "max_length": 6, "max_episode_steps": 20}


class Finished(NamedTuple):
    code: int
    out: str
    err: str


Command = Callable[..., Finished]
Payloads = list[dict[str, Any]]


@pytest.fixture
def payloads(monkeypatch: pytest.MonkeyPatch) -> Payloads:
    """What the page was made of."""
    pages: Payloads = []

    def render(given: Payloads) -> str:
        pages.extend(json.loads(json.dumps(given, allow_nan=False)))
        return "<html></html>"

    monkeypatch.setattr(trace_page, "render_page", render)
    return pages


def write_agent(
    folder: Path, memory: MemoryKind = "expire_span", task: str = "corridor", space: Any = None, **environment: Any
) -> str:
    """A folder of weights alone, of a tiny agent that was never trained."""
    folder.mkdir()
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"model": 16, "heads": 2, "feedforward": 16, "position_reach": 6, "max_span": 8, "ramp": 3}
    policy = ActorCritic(ModelConfig(**sizes, memory=memory), space or WordSpace(3, 3, WORDS), spaces.Discrete(4))
    save_policy(policy, folder / "model.safetensors")
    options = {"previous_action": False, "previous_reward": False, **(environment or CORRIDOR)}
    (folder / "config.json").write_text(json.dumps({"format": 1, "task": task, "environment": options}))
    return str(folder)


def assert_refused(finished: Finished, code: int, *parts: str) -> None:
    assert finished.code == code, finished.err
    assert all(part in finished.err for part in parts), finished.err
    assert "Traceback" not in finished.err
    assert not list(Path().rglob("trace.*"))


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive", "none"])
def test_files_hold_the_same_episodes(rlmem: Command, here: Path, payloads: Payloads, memory: MemoryKind) -> None:
    agent = write_agent(here / "agent", memory)
    finished = rlmem("trace", agent, "--episodes", "2", "--seed", "5", "--erase", "top:3")
    assert finished.code == 0, finished.err
    assert "wrote trace-agent/trace.npz\nwrote trace-agent/trace.html\n" in finished.out
    assert Path("trace-agent/trace.html").read_text() == "<html></html>"
    assert len(payloads) == 2
    with np.load("trace-agent/trace.npz", allow_pickle=False) as arrays:
        assert int(arrays["episodes"]) == 2
        for number, payload in enumerate(payloads):
            check_episode({name.partition(".")[2]: arrays[name] for name in arrays.files if name.startswith(
                f"episode_{number}."
            )}, payload, memory)  # fmt: skip


def check_episode(arrays: dict[str, Any], payload: dict[str, Any], memory: str) -> None:
    steps = payload["num_steps"]
    names = ["north", "south", "west", "east"]
    assert payload["format"] == 1
    assert payload["task"] == "corridor"
    assert payload["memory"] == memory
    assert payload["max_span"] == 8
    assert payload["ramp"] == (3 if memory in ("expire_span", "adaptive_span") else 0)
    assert f"seed {arrays['seed']}" in payload["title"]
    assert payload["outcome"] in ("success", "failure", "truncated")
    assert payload["return"] == pytest.approx(float(arrays["reward"].sum()))
    assert payload["actions"] == names
    assert payload["action"] == [names[action] for action in arrays["action"]]
    np.testing.assert_allclose(payload["probabilities"], arrays["probabilities"], atol=1e-4)
    np.testing.assert_allclose(payload["value"], arrays["value"], atol=1e-4)
    assert payload["labels"] == arrays["labels"].tolist()
    assert payload["cells"] == [[cell.split() for cell in row] for row in arrays["cells"].tolist()]
    assert payload["columns"] == 3
    for name, one in (("frames", "frame"), ("views", "view")):
        assert payload[name]["index"] == arrays[f"{one}_index"].tolist()
        assert len(payload[name]["images"]) == len(arrays[name]) == max(payload[name]["index"]) + 1
        for image, expected in zip(payload[name]["images"], arrays[name], strict=True):
            content = base64.b64decode(image.removeprefix("data:image/png;base64,"))
            np.testing.assert_array_equal(np.rint(imread(io.BytesIO(content)) * 255), expected)
    assert arrays["observation.observation"].shape == (steps, 3, 3, len(WORDS))
    assert len(payload["layers"]) == 2
    for number, layer in enumerate(payload["layers"]):
        slots = len(layer["birth"])
        for name in ("birth", "covers", "full_until", "seen_until", "deleted"):
            assert layer[name] == arrays[f"layer_{number}.{name}"].tolist()
        for name in ("attention", "mask"):
            shares = np.frombuffer(base64.b64decode(layer[name]), dtype=np.uint8).reshape(steps, slots) / 255
            np.testing.assert_allclose(shares, arrays[f"layer_{number}.{name}"], atol=1 / 255)
        assert (layer["span"] is None) == (f"layer_{number}.span" not in arrays)
    erasures = payload["erasures"]
    effects = [one["effect"] for one in erasures]
    assert len(effects) == 3
    assert effects == sorted(effects, reverse=True)
    for one in erasures:
        assert one["layer"] in (0, 1, None)
        before, after = np.array(one["probabilities_before"]), np.array(one["probabilities_after"])
        np.testing.assert_allclose(before, arrays["probabilities"][one["at"]], atol=1e-4)
        assert (before * np.log(before / after)).sum() == pytest.approx(one["effect"], abs=1e-3)


@pytest.mark.parametrize("memory", ["lstm", "gru"])
def test_a_recurrent_agent_has_no_timeline_and_says_so(
    rlmem: Command, here: Path, payloads: Payloads, memory: MemoryKind
) -> None:
    agent = write_agent(here / "agent", memory)
    finished = rlmem("trace", agent)
    assert finished.code == 0, finished.err
    assert f"the memory {memory} is one state without single memories" in finished.out
    assert payloads[0]["layers"] == payloads[0]["erasures"] == []
    for flags, name in ((("--figure", "f.png"), "--figure"), (("--summary", "2"), "--summary")):
        refused = rlmem("trace", agent, "--out", "other", *flags)
        assert refused.code == 2
        assert name in refused.err
        assert "one state" in refused.err


def test_figure_and_summary(rlmem: Command, here: Path, payloads: Payloads) -> None:
    agent = write_agent(here / "agent")
    words = ("--out", "there", "--figure", "figures/f.pdf", "--summary", "6", "--erase", "none")
    finished = rlmem("trace", agent, *words)
    assert finished.code == 0, finished.err
    assert payloads[0]["erasures"] == []
    for file in ("there/trace.npz", "there/trace.html", "figures/f.pdf", "there/summary.json", "there/summary.png"):
        assert Path(file).stat().st_size > 0
        assert f"wrote {file}" in finished.out
    summary = json.loads(Path("there/summary.json").read_text())
    assert summary["episodes"] == 6
    assert summary["word"] == "object"
    assert {"object", "nothing"} <= set(summary["words"])
    compared = summary["word_against_others"]
    assert compared["measure"] == "span"
    ratios = [word / other for word, other in zip(compared["word_mean"], compared["other_mean"], strict=True)]
    assert compared["ratio"] == pytest.approx(ratios)
    assert compared["largest_ratio"] == pytest.approx(max(ratios))
    assert compared["word_mean"] == summary["words"]["object"]["span_mean"]
    assert set(summary["success"]) == {"as_is", "word_hidden", "others_hidden"}
    assert "success over 6 episodes" in finished.out


def test_the_shipped_agent_keeps_the_object_and_needs_it(rlmem: Command, here: Path, payloads: Payloads) -> None:
    words = ("--out", "there", "--summary", "60", "--erase", "none", "--quiet")
    assert rlmem("trace", "corridor-expire-span", *words).code == 0
    summary = json.loads(Path("there/summary.json").read_text())
    assert summary["word_against_others"]["largest_ratio"] >= 5
    success = {name: outcome["success_rate"] for name, outcome in summary["success"].items()}
    assert success["as_is"] >= 0.95
    assert 0.3 < success["word_hidden"] < 0.7
    assert success["others_hidden"] >= 0.95


def test_quiet_prints_nothing(rlmem: Command, here: Path, payloads: Payloads) -> None:
    finished = rlmem("trace", write_agent(here / "agent"), "--quiet")
    assert (finished.code, finished.out, finished.err) == (0, "", "")


def test_a_trained_run_is_traced_at_its_newest_checkpoint(rlmem: Command, run: Path, payloads: Payloads) -> None:
    assert rlmem("trace", "run", "--erase", "none").code == 0
    assert payloads[0]["title"].startswith("run, episode 0 (seed ")
    assert Path("trace-run/trace.npz").exists()
    refused = rlmem("trace", "run", "--out", "b", "--checkpoint", "step_1")
    assert refused.code == 1
    assert "choose one of step_384" in refused.err


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (("nothing",), ("there is no run 'nothing'",)),
        (("agent", "--episodes", "0"), ("--episodes is 0", "at least 1")),
        (("agent", "--seed", "-1"), ("--seed is -1",)),
        (("agent", "--summary", "0"), ("--summary is 0", "at least 1")),
        (("agent", "--erase", "best"), ("--erase is 'best'", "such as top:5")),
        (("agent", "--erase", "top:0"), ("--erase is 'top:0'",)),
        (("agent", "--erase", "top:x"), ("--erase is 'top:x'",)),
        (("agent", "--figure", "f.gif"), ("--figure 'f.gif'", ".png, .pdf, .svg")),
        (("agent", "--word", "elephant"), ("--word is 'elephant'", "agent, block, door")),
        (("agent", "--figure", "taken.png"), ("taken.png exists and is not overwritten",)),
        (("agent", "--out", "taken.png"), ("taken.png is a file",)),
    ],
)
def test_bad_input(rlmem: Command, here: Path, words: tuple[str, ...], parts: tuple[str, ...]) -> None:
    write_agent(here / "agent")
    (here / "taken.png").write_text("mine")
    assert_refused(rlmem("trace", *words), 2, *parts)
    assert (here / "taken.png").read_text() == "mine"


def test_a_run_without_a_checkpoint(rlmem: Command, here: Path) -> None:
    agent = Path(write_agent(here / "agent"))
    (agent / "model.safetensors").unlink()
    assert_refused(rlmem("trace", "agent"), 1, "holds no checkpoint", "train it anew")


@pytest.mark.parametrize("name", ["trace.npz", "trace.html"])
def test_files_are_not_overwritten(rlmem: Command, here: Path, name: str) -> None:
    write_agent(here / "agent")
    (here / "out").mkdir()
    (here / "out" / name).write_text("mine")
    finished = rlmem("trace", "agent", "--out", "out")
    assert finished.code == 2
    assert f"out/{name} exists and is not overwritten" in finished.err
    assert [path.name for path in (here / "out").iterdir()] == [name]
    assert (here / "out" / name).read_text() == "mine"


class Undrawn(gym.Env[Any, Any]):
    """Four steps of one number, of which nobody can draw a picture."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(4)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = 4
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        return np.full(2, self.left / 4, np.float32), 1.0, self.left == 0, False, {}


class BreaksWhenDrawn(Undrawn):
    """Says that it can draw, and cannot."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # Gymnasium's own

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def render(self) -> Any:
        raise ImportError("no pygame here")


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Registers the two."""
    register: Any = gym.register  # takes classes, which its annotation denies
    register("Undrawn-v0", Undrawn)
    register("BreaksWhenDrawn-v0", BreaksWhenDrawn)
    yield
    del gym.registry["Undrawn-v0"], gym.registry["BreaksWhenDrawn-v0"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("env_id", "reason"), [("Undrawn-v0", "no render mode rgb_array"), ("BreaksWhenDrawn-v0", "no pygame here")]
)
def test_an_environment_that_cannot_draw(
    rlmem: Command, here: Path, payloads: Payloads, env_id: str, reason: str
) -> None:
    space = spaces.Box(-1, 1, (2,), np.float32)
    environment: dict[str, Any] = {"env_id": env_id, "env_kwargs": "{}", "vectorization": "sync"}
    agent = write_agent(here / "agent", task="gymnasium", space=space, **environment)
    finished = rlmem("trace", agent)
    assert finished.code == 0, finished.err
    assert f"{env_id} draws no pictures" in finished.out
    assert reason in finished.out
    (payload,) = payloads
    assert payload["frames"] is None
    assert payload["views"] is None
    assert payload["cells"] is None
    assert payload["labels"] == ["-"] * 4
    assert payload["actions"] == ["0", "1", "2", "3"]
    assert payload["outcome"] is None
    refused = rlmem("trace", agent, "--out", "b", "--summary", "3")
    assert refused.code == 2
    assert "no words" in refused.err


def test_the_pretrained_agent_to_a_whole_page(rlmem: Command, here: Path) -> None:
    assert (PRETRAINED / "corridor-expire-span").is_dir()
    finished = rlmem("trace", "corridor-expire-span")
    assert finished.code == 0, finished.err
    assert "longest-kept observations" in finished.out
    page = Path("trace-corridor-expire-span/trace.html").read_text()
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert len(page) < 10_000_000
