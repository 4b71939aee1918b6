"""A browser, and made-up episodes in the trace page's form: a Corridor of 100 steps, a Portal of 1,000."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.vocabulary import decode_words

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Payload = dict[str, Any]

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Names of the browsers that the page is tested in."""

ACTIONS = ["north", "south", "west", "east"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    api = pytest.importorskip("playwright.sync_api", reason="Playwright, which drives the browser, is not installed")
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        pytest.skip(f"no browser here: none of {', '.join(BROWSERS)} is on the path")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def corridor() -> Payload:
    return make_corridor(100, seed=0)


@pytest.fixture(scope="session")
def short_corridor() -> Payload:
    return make_corridor(20, seed=1) | {"title": "another corridor", "erasures": []}


@pytest.fixture(scope="session")
def portal() -> Payload:
    return make_portal(1000, seed=2)


@pytest.fixture(scope="session")
def text_only() -> Payload:
    """A language-model task under a compressive memory: texts alone; slot 6 pools steps 0 and 1, seen from step 4."""
    num_steps, num_slots = 6, 7
    mask = np.zeros((num_steps, num_slots))
    for step in range(num_steps):
        mask[step, max(0, step - 2) : step + 1] = 1
    mask[4:, 6] = 1
    layer = {
        "birth": [*range(num_steps), 0], "covers": [1] * num_steps + [2], "span": None,
        "full_until": [2, 3, 4, 5, 5, 5, 5], "seen_until": [2, 3, 4, 5, 5, 5, 5], "deleted": [3, 4, 5, -1, -1, -1, -1],
        "attention": _bytes(mask / mask.sum(1, keepdims=True)), "mask": _bytes(mask),
    }  # fmt: skip
    return {
        "format": 1, "title": "copy <b>text</b> & more", "task": "copy", "memory": "compressive", "max_span": 4,
        "ramp": 0, "num_steps": num_steps, "outcome": None, "return": 3.0, "actions": None, "action": list("abcdef"),
        "probabilities": None, "value": [0.0] * num_steps, "reward": [0.5] * num_steps,
        "labels": ["<i>a</i>", "</script>b", "-", "d", "e", "f"], "cells": None, "columns": 3, "frames": None,
        "views": None, "layers": [layer], "erasures": [],
    }  # fmt: skip


def make_corridor(num_steps: int, seed: int) -> Payload:
    """An agent that walks east: layer 1 keeps what shows the object to the door, layer 2 a few steps of everything."""
    rng = np.random.default_rng(seed)
    env = CorridorEnv(min_length=num_steps, max_length=num_steps, max_episode_steps=None, render_mode="rgb_array")
    observation, _ = env.reset(seed=5)
    cells: list[list[list[str]]] = []
    frames: list[npt.NDArray[np.uint8]] = []
    for step in range(num_steps):
        cells.append([sorted(cell, key=_colour_first) for row in decode_words(observation) for cell in row])
        frames.append(np.asarray(env.render(), dtype=np.uint8))
        if step < num_steps - 1:
            observation, *_ = env.step(3)
    labels = [_label(step_cells) for step_cells in cells]
    spans = [
        np.array(
            [150.0 + 4 * (step % 3) if "object" in label else rng.uniform(0, 3) for step, label in enumerate(labels)]
        ),
        np.array([rng.uniform(4, 16) if label == "-" else 20.0 for label in labels]),
    ]
    layers = [_layer(span, ramp=16, rng=rng, favoured=[0, 1]) for span in spans]
    return _payload("corridor", num_steps, labels, layers, rng) | {
        "cells": cells,
        "frames": _pictures(frames),
        "views": _pictures([np.asarray(frame[:96, :96]) for frame in frames]),
        "erasures": [
            _erasure(0, 0, "blue object", None, 1.93, num_steps - 1, [0.96, 0.01, 0.01, 0.02]),
            _erasure(None, 1, "blue object", "blue", 0.71, num_steps - 1, [0.55, 0.41, 0.02, 0.02]),
            _erasure(1, num_steps - 2, "-", None, 0.02, num_steps - 1, [0.08, 0.88, 0.02, 0.02]),
        ],
    }


def make_portal(num_steps: int, seed: int) -> Payload:
    """Rooms with doors, about a hundred memories alive at a time in layer 1, spans of all lengths in layer 2."""
    rng = np.random.default_rng(seed)
    rooms = 1 + np.arange(num_steps) // 30
    labels = [
        f"room-{room}, {rng.choice(['red', 'blue'])} door" if rng.random() < 0.3 else f"room-{room}" for room in rooms
    ]
    is_door = np.array(["door" in label for label in labels])
    spans = [
        np.where(is_door, rng.uniform(150, 330, num_steps), rng.uniform(10, 70, num_steps)),
        np.where(rng.random(num_steps) < 0.01, 700, rng.exponential(12, num_steps)),
    ]
    layers = [_layer(span, ramp=32, rng=rng, favoured=[]) for span in spans]
    frame = rng.integers(0, 255, (num_steps, 8, 8, 3)).astype(np.uint8)
    frames = [np.kron(picture, np.ones((8, 8, 1), dtype=np.uint8)) for picture in frame]
    return _payload("portal", num_steps, labels, layers, rng) | {"frames": _pictures(frames), "outcome": "truncated"}


def _label(cells: list[list[str]]) -> str:
    things = [" ".join(word for word in cell if word not in ("block", "agent")) for cell in cells]
    return ", ".join(thing for thing in things if thing) or "-"


def _colour_first(word: str) -> bool:
    return word not in ("red", "blue")


def _payload(task: str, num_steps: int, labels: list[str], layers: list[Payload], rng: np.random.Generator) -> Payload:
    probabilities = rng.dirichlet([0.3, 0.3, 0.3, 4.0], num_steps)
    probabilities[-1] = [0.07, 0.90, 0.01, 0.02]
    chosen = probabilities.argmax(1)
    reward = np.zeros(num_steps)
    reward[-1] = 1.0
    return {
        "format": 1, "title": f"{task}-expire-span, episode 0 (seed 5)", "task": task, "memory": "expire_span",
        "max_span": 200 if task == "corridor" else 1000, "ramp": 16 if task == "corridor" else 32,
        "num_steps": num_steps,
        "outcome": "success", "return": 1.0, "actions": ACTIONS, "action": [ACTIONS[index] for index in chosen],
        "probabilities": np.round(probabilities, 4).tolist(),
        "value": np.round(np.linspace(0.3, 0.95, num_steps) + rng.normal(0, 0.02, num_steps), 3).tolist(),
        "reward": reward.tolist(), "labels": labels, "cells": None, "columns": 3, "frames": None, "views": None,
        "layers": layers, "erasures": [],
    }  # fmt: skip


def _layer(span: npt.NDArray[np.float64], ramp: int, rng: np.random.Generator, favoured: list[int]) -> Payload:
    """A layer of Expire-Span: mask 1 + (span - age) / ramp, attention over what it lets through."""
    num_steps = len(span)
    step, birth = np.indices((num_steps, num_steps))
    age = step - birth
    mask = np.where(age >= 0, np.clip(1 + (span[None] - age) / ramp, 0, 1), 0)
    mask[age == 0] = 1
    scores = rng.exponential(1.0, num_steps)[None] ** 3 * mask
    scores[:, favoured] *= 1 + 12 * (np.arange(num_steps) > num_steps - 4)[:, None]
    attention = scores / scores.sum(1, keepdims=True)
    seen = np.where(mask > 0, step, 0).max(0)
    gone = np.where(seen + 3 < num_steps, seen + 2, -1)
    return {
        "birth": list(range(num_steps)), "covers": [1] * num_steps, "span": np.round(span, 2).tolist(),
        "full_until": np.where(mask >= 1, step, 0).max(0).tolist(),
        "seen_until": seen.tolist(), "deleted": gone.tolist(),
        "attention": _bytes(attention), "mask": _bytes(mask),
    }  # fmt: skip


def _bytes(shares: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(np.round(255 * shares).astype(np.uint8).tobytes()).decode()


def _pictures(pictures: list[npt.NDArray[np.uint8]]) -> Payload:
    images: dict[str, int] = {}
    index = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "png")
        text = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
        index.append(images.setdefault(text, len(images)))
    return {"images": list(images), "index": index}


def _erasure(
    layer: int | None, slot: int, label: str, word: str | None, effect: float, at: int, after: list[float]
) -> Payload:
    return {
        "layer": layer, "slot": slot, "step": slot, "label": label, "word": word, "effect": effect, "at": at,
        "value_change": -round(effect / 4, 3), "probabilities_before": [0.07, 0.90, 0.01, 0.02],
        "probabilities_after": after,
    }  # fmt: skip
