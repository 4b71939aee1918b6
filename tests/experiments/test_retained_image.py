"""The picture of what an episode's memory retained: its pixels, its steps' pictures, and what may fail under way."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from rlmem.actor_critic import ActorCritic
from rlmem.agents.tracing import EpisodeTrace, LayerMemories, trace_episode
from rlmem.envs.corridor import CorridorEnv
from rlmem.envs.vocabulary import WORDS
from rlmem.experiments import retained_image as module
from rlmem.experiments.palette import HEAT, SURFACE
from rlmem.experiments.retained_drawing import RetainedPage, draw_retained, timeline_picture
from rlmem.experiments.retained_image import has_memories, retained_image
from rlmem.experiments.retained_pictures import UndrawnEnv, picture_steps
from rlmem.experiments.tasks import CorridorOptions, GymnasiumOptions, PortalOptions, TaskOptions
from rlmem.model_config import MemoryKind, ModelConfig
from rlmem.word_space import WordSpace

PALE, DARK = HEAT[1], HEAT[3]
SHORT = CorridorOptions(min_length=4, max_length=8, max_episode_steps=30)
BOX = spaces.Box(-1, 1, (2,), np.float32)


def make_policy(memory: MemoryKind = "expire_span", space: Any = None) -> ActorCritic:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"model": 16, "heads": 2, "feedforward": 16, "position_reach": 6, "max_span": 8, "ramp": 3}
    return ActorCritic(ModelConfig(**sizes, memory=memory), space or WordSpace(3, 3, WORDS), spaces.Discrete(4))


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[RetainedPage]:
    """What the pictures were made of."""
    drawn: list[RetainedPage] = []

    def draw_and_keep(page: RetainedPage) -> Any:
        drawn.append(page)
        return draw_retained(page)

    monkeypatch.setattr(module, "draw_retained", draw_and_keep)
    return drawn


@pytest.mark.parametrize("memory", ["expire_span", "transformer_xl", "adaptive_span", "compressive"])
def test_a_corridor_episode(pages: list[RetainedPage], memory: MemoryKind) -> None:
    policy = make_policy(memory)
    image = retained_image(policy, "corridor", SHORT, 5, "a title")
    assert image.note is None
    assert image.picture is not None
    assert image.picture.dtype == np.uint8
    assert image.picture.shape[2] == 3
    (page,) = pages
    assert page.word == "object"
    assert {one.step for layer in page.ranked for one in layer} == set(page.pictures)
    whole = trace_episode(policy, CorridorEnv(4, 8, 30, render_mode="rgb_array"), 5)
    assert whole.views is not None
    np.testing.assert_array_equal(page.trace.action, whole.action)
    for step, picture in page.pictures.items():
        np.testing.assert_array_equal(picture, whole.views.images[whole.views.index[step]])


def test_the_same_episode_gives_the_same_picture_and_touches_no_generator() -> None:
    policy = make_policy()
    generators = global_generators()
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    first, second = (retained_image(policy, "corridor", SHORT, 5, "a title").picture for _ in range(2))
    assert first is not None
    assert second is not None
    np.testing.assert_array_equal(first, second)
    assert global_generators() == generators
    assert all(torch.equal(tensor, weights[name]) for name, tensor in policy.state_dict().items())


def global_generators() -> tuple[bytes, str, object]:
    """The states of PyTorch's, NumPy's and Python's own generators."""
    of_numpy = repr(np.random.get_state(legacy=False))  # noqa: NPY002
    return torch.get_rng_state().numpy().tobytes(), of_numpy, random.getstate()


def test_pictures_differ_by_what_was_kept() -> None:
    policy = make_policy()
    kept = retained_image(policy, "corridor", SHORT, 5, "a title").picture
    with torch.no_grad():
        for layer in policy.core.layer_list():
            layer.memory.bias.fill_(-20)  # type: ignore[operator]
    forgotten = retained_image(policy, "corridor", SHORT, 5, "a title").picture
    assert kept is not None
    assert forgotten is not None
    assert kept.shape == forgotten.shape
    assert (kept != forgotten).any()


def test_a_long_episode_is_cut(pages: list[RetainedPage], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_STEPS", 7)
    assert retained_image(make_policy(), "portal", PortalOptions(), 5, "a title").picture is not None
    assert pages[0].trace.num_steps == 7
    assert pages[0].note.endswith("7 steps, reward 0, cut off")


def test_kinds_with_memories() -> None:
    kinds: dict[MemoryKind, bool] = {"expire_span": True, "transformer_xl": True, "lstm": False, "none": False}
    assert {kind: has_memories(make_policy(kind)) for kind in kinds} == kinds


class Numbers(gym.Env[Any, Any]):
    """Six steps of two numbers, which nobody can draw."""

    observation_space = BOX
    action_space = spaces.Discrete(4)

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.left = 6
        return np.zeros(2, np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.left -= 1
        if self.fails and self.left == 3:
            raise RuntimeError("out of cheese")
        return np.full(2, self.left / 6, np.float32), 1.0, self.left == 0, False, {}


class Drawn(Numbers):
    """The same with pictures, and with numbers that are never the same twice."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 4}  # noqa: RUF012  # Gymnasium's own
    resets = 0

    def __init__(self, render_mode: str | None = None, forgets_its_seed: bool = False) -> None:
        super().__init__()
        self.render_mode, self.forgets_its_seed = render_mode, forgets_its_seed

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        observation, info = super().reset(seed=seed)
        type(self).resets += 1
        return observation + self.forgets_its_seed * np.float32(0.9 / self.resets), info

    def render(self) -> Any:
        return np.full((40, 60, 3), 40 * self.left, np.uint8)


@pytest.fixture
def numbers() -> Iterator[Callable[..., TaskOptions]]:
    """Registers the two; gives the options of one."""
    register: Any = gym.register  # takes classes, which its annotation denies
    names = {"Numbers-v0": Numbers, "Drawn-v0": Drawn}
    for name, environment in names.items():
        register(name, environment)
    yield lambda env_id, env_kwargs="{}": GymnasiumOptions(env_id=env_id, env_kwargs=env_kwargs)
    for name in names:
        del gym.registry[name]


def test_an_environment_without_pictures_has_words_alone(
    pages: list[RetainedPage], numbers: Callable[..., TaskOptions]
) -> None:
    image = retained_image(make_policy(space=BOX), "gymnasium", numbers("Numbers-v0"), 5, "a title")
    assert image.picture is not None
    assert image.note is not None
    assert "Numbers-v0 draws no pictures" in image.note
    assert "words alone" in image.note
    assert pages[0].pictures == {}
    assert pages[0].trace.num_steps == 6


def test_the_whole_frame_where_the_view_is_not_drawn(
    pages: list[RetainedPage], numbers: Callable[..., TaskOptions]
) -> None:
    image = retained_image(make_policy(space=BOX), "gymnasium", numbers("Drawn-v0"), 5, "a title")
    assert image.note is None
    assert {step: int(picture[0, 0, 0]) for step, picture in pages[0].pictures.items()} == {
        step: 40 * (6 - step) for step in pages[0].pictures
    }
    assert len(pages[0].pictures) >= 3


def test_an_environment_that_does_not_repeat_itself(
    pages: list[RetainedPage], numbers: Callable[..., TaskOptions]
) -> None:
    options = numbers("Drawn-v0", '{"forgets_its_seed": true}')
    image = retained_image(make_policy(space=BOX), "gymnasium", options, 5, "a title")
    assert image.picture is not None
    assert image.note is not None
    assert "shows another episode when it is given the same seed" in image.note
    assert pages[0].pictures == {}


@pytest.mark.parametrize(
    ("env_id", "keywords", "parts"),
    [
        ("Numbers-v0", '{"fails": true}', ("failed in step", "RuntimeError: out of cheese", "test_retained_image.py")),
        ("Numbers-v0", '{"size": 9}', ("cannot be made with the keywords {'size': 9}",)),
        ("Nothing-v0", "{}", ("there is no environment 'Nothing-v0'",)),
    ],
)
def test_an_environment_that_fails_is_named(
    numbers: Callable[..., TaskOptions], env_id: str, keywords: str, parts: tuple[str, ...]
) -> None:
    image = retained_image(make_policy(space=BOX), "gymnasium", numbers(env_id, keywords), 5, "a title")
    assert image.picture is None
    assert image.note is not None
    assert image.note.startswith("no picture of what the memory retained: ")
    assert "\n" not in image.note
    for part in parts:
        assert part in image.note


def test_the_programs_own_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("a mistake in the drawing")

    monkeypatch.setattr(module, "draw_retained", fail)
    with pytest.raises(RuntimeError, match="a mistake in the drawing"):
        retained_image(make_policy(), "corridor", SHORT, 5, "a title")


def test_pictures_of_no_steps_play_nothing() -> None:
    policy = make_policy()
    env = CorridorEnv(4, 8, 30, render_mode="rgb_array")
    trace: EpisodeTrace = trace_episode(policy, UndrawnEnv(env), 5)
    assert trace.frames is None
    assert picture_steps(env, policy.observation_space, trace, []) == {}


def memories(kept: list[int], num_steps: int) -> LayerMemories:
    """Each step's memory is seen fully for so many steps, and attended to by the last of them alone."""
    step, birth = np.arange(num_steps)[:, None], np.arange(num_steps)
    end = np.minimum(birth + np.array(kept), num_steps - 1)
    mask = ((step >= birth) & (step <= end)).astype(np.float32)
    attention = ((step == end) & (end > birth)) + 0.4 * (step == birth)  # a step's own share is not drawn
    attention = attention.astype(np.float32)
    return LayerMemories(birth, np.ones_like(birth), None, end, end, np.full(num_steps, -1), attention, mask)


def test_the_timelines_pixels() -> None:
    """Three steps on 6 x 12 pixels: 2 x 4 pixels each."""
    is_word = np.array([False, True, False])
    picture = timeline_picture(memories([2, 1, 0], 3), [], is_word, width=6, height=12)
    cells = picture[::4, ::2]
    np.testing.assert_array_equal(picture, cells.repeat(4, axis=0).repeat(2, axis=1))
    other = [PALE, PALE, DARK]
    np.testing.assert_array_equal(cells[0], other)
    np.testing.assert_array_equal(cells[2], [SURFACE, SURFACE, PALE])
    assert tuple(cells[1, 0]) == SURFACE
    for pixel in cells[1, 1:]:
        red, _, blue = pixel.astype(int)
        assert red > blue  # the word's colour is no blue


def test_a_memory_thinner_than_a_pixel_is_still_drawn() -> None:
    kept = [0] * 400
    kept[201] = 150
    picture = timeline_picture(memories(kept, 400), [], np.zeros(400, dtype=bool), width=40, height=40)
    is_drawn = (picture != SURFACE).any(2)
    assert is_drawn[20].tolist() == [False] * 20 + [True] * 16 + [False] * 4
    assert is_drawn.sum() == 16 + 39  # the others' own steps, on the diagonal


def test_a_listed_memory_is_three_pixels_high_and_hides_no_other_listed_one() -> None:
    kept = [1] * 60
    kept[10], kept[11] = 20, 40
    layer = memories(kept, 60)
    picture = timeline_picture(layer, [11, 10], np.zeros(60, dtype=bool), width=60, height=60)
    is_drawn = (picture != SURFACE).any(2)
    assert is_drawn[:, 45].nonzero()[0].tolist() == [11, 12, 13, 44, 45]
    assert is_drawn[:, 25].nonzero()[0].tolist() == [10, 11, 12, 13, 24, 25]
