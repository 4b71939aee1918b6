"""Any MiniGrid or BabyAI environment as words: what a policy reads of our own environments, it reads of these.

MiniGrid's view is an image (columns, rows, 3) of numbers: kind of object, colour, state. Here it is a set of words a
cell. The names of MiniGrid are kept, but for the wall, which is a "block" in our vocabulary, too: where words are the
same ("agent", "block", "door", "red", "blue"), embeddings can be matched by word.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from minigrid import wrappers
from minigrid.core.constants import COLOR_TO_IDX, OBJECT_TO_IDX, STATE_TO_IDX

from rlmem.envs.minigrid_missions import varying_mission_words
from rlmem.errors import UsageError
from rlmem.word_space import WordSpace

WordArray = npt.NDArray[np.uint8]

HEADINGS = ("facing-east", "facing-south", "facing-west", "facing-north")
"""The agent's heading on the map, in the order of MiniGrid's directions."""

_WORD_OF_KIND = {kind: "block" if kind == "wall" else kind for kind in OBJECT_TO_IDX}

MINIGRID_WORDS: tuple[str, ...] = (
    *(_WORD_OF_KIND[kind] for kind in OBJECT_TO_IDX if kind != "empty"),
    *COLOR_TO_IDX,
    *STATE_TO_IDX,
    *HEADINGS,
)
"""Every word of a view: kinds of objects, colours, states of doors, each in MiniGrid's order, and headings."""

_WORD_INDEX = {word: index for index, word in enumerate(MINIGRID_WORDS)}
_WITHOUT_COLOUR = ("unseen", "empty", "agent")  # MiniGrid writes colour 0 there, which is red
_NUM_STATES = 4  # a door's state, or the agent's direction
_OTHER_ENCODINGS = (
    wrappers.SymbolicObsWrapper,
    wrappers.OneHotPartialObsWrapper,
    wrappers.RGBImgObsWrapper,
    wrappers.RGBImgPartialObsWrapper,
)


def _write_table() -> WordArray:
    """The words of every cell that MiniGrid can write: (kinds, colours, states, words)."""
    table = np.zeros((len(OBJECT_TO_IDX), len(COLOR_TO_IDX), _NUM_STATES, len(MINIGRID_WORDS)), dtype=np.uint8)
    for kind, number in OBJECT_TO_IDX.items():
        if kind != "empty":
            table[number, :, :, _WORD_INDEX[_WORD_OF_KIND[kind]]] = 1
        if kind not in _WITHOUT_COLOUR:
            for colour, colour_number in COLOR_TO_IDX.items():
                table[number, colour_number, :, _WORD_INDEX[colour]] = 1
    for state, number in STATE_TO_IDX.items():
        table[OBJECT_TO_IDX["door"], :, number, _WORD_INDEX[state]] = 1
    for number, heading in enumerate(HEADINGS):
        table[OBJECT_TO_IDX["agent"], :, number, _WORD_INDEX[heading]] = 1
    return table


_TABLE = _write_table()


def is_minigrid(env: gym.Env[Any, Any]) -> bool:
    """Whether an environment observes what MiniGrid's do: a dictionary of image, direction and mission."""
    space = env.observation_space
    return isinstance(space, spaces.Dict) and {"image", "direction", "mission"} <= set(space.spaces)


class MiniGridWords(
    gym.ObservationWrapper[Any, Any, Any],
    gym.utils.RecordConstructorArgs,
):
    """A MiniGrid or BabyAI environment whose observations are words.

    Observation: a view, a `WordSpace` (rows, columns, `MINIGRID_WORDS`), uint8, 1 where a cell has a word. Where the
    mission varies from episode to episode, a dictionary: the view under ``view`` and under ``mission`` a `WordSpace`
    (1, longest mission, its words), one cell a word, in order; a mission that never varies is left out.

    - The view's first row is the farthest ahead of the agent (with FullyObsWrapper: the map's north), its first
      column the agent's left (the map's west).
    - A free cell has no word; one that the agent cannot see has the word "unseen".
    - Everything else has its kind and its colour, a door its state, too: "open", "closed" or "locked". What is in a
      box is not to be seen.
    - The agent's own cell, the middle of the last row, has the word "agent", its heading on the map ("facing-east"),
      which MiniGrid gives apart, and the object that the agent carries.
    - With FullyObsWrapper the agent is where it stands on the map. That wrapper hides what the agent carries.

    Other wrappers of MiniGrid, ViewSizeWrapper for one, come before this one: the view's size is read from the
    observation space. Actions, rewards and ends are the environment's own. The info of every step has ``is_success``:
    the episode terminated with a reward, as MiniGrid rewards nothing but success.

    Args:
        env: the environment; its observation is MiniGrid's own dictionary.

    Raises:
        UsageError: the observation is something else.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        gym.utils.RecordConstructorArgs.__init__(self)
        super().__init__(env)
        columns, rows = _view_size(env)
        missions = env.observation_space["mission"]  # type: ignore[index]  # it is a Dict
        self._missions = varying_mission_words(missions)
        self._only_mission = None if self._missions else missions.sample()
        self._last_mission: tuple[str, WordArray] | None = None
        view = WordSpace(rows, columns, MINIGRID_WORDS)
        self.observation_space: spaces.Space[Any] = (
            spaces.Dict({"view": view, "mission": self._missions.space}) if self._missions else view
        )

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Step, and say in the info whether the task was done with it."""
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated, {**info, "is_success": terminated and float(reward) > 0}

    def observation(self, observation: Mapping[str, Any]) -> WordArray | dict[str, WordArray]:
        """Write MiniGrid's observation as words.

        Args:
            observation: image (columns, rows, 3), direction and mission.

        Returns:
            The view (rows, columns, words), or view and mission.

        Raises:
            UsageError: numbers or a mission that are not MiniGrid's.
        """
        view = encode_view(observation["image"], int(observation["direction"]))
        mission = self._encode_mission(str(observation["mission"]))
        return view if mission is None else {"view": view, "mission": mission}

    def _encode_mission(self, mission: str) -> WordArray | None:
        if self._missions is None:
            if mission != self._only_mission:
                raise UsageError(
                    f"the mission is {mission!r}, but the environment's mission space has {self._only_mission!r} only, "
                    "so that its words are unknown: name all missions in its MissionSpace"
                )
            return None
        if self._last_mission is None or self._last_mission[0] != mission:
            self._last_mission = (mission, self._missions.encode(mission))
        return self._last_mission[1].copy()


def encode_view(image: npt.NDArray[Any], direction: int) -> WordArray:
    """Write MiniGrid's image as words.

    Args:
        image: (columns, rows, 3) integers: kind, colour, state.
        direction: the agent's, 0 to 3; used where the image does not show the agent.

    Returns:
        (rows, columns, words) uint8.

    Raises:
        UsageError: numbers that MiniGrid does not write.
    """
    cells = image.swapaxes(0, 1)  # (rows, columns, 3)
    kinds = cells[..., 0]
    try:
        view = _TABLE[kinds, cells[..., 1], cells[..., 2]]  # (rows, columns, words)
    except IndexError:
        raise UsageError(
            f"the image holds numbers up to {image.max(axis=(0, 1)).tolist()}, but MiniGrid's are kinds, colours and "
            f"states below {list(_TABLE.shape[:3])}: use MiniGridWords before wrappers that change the image"
        ) from None
    if not (kinds == OBJECT_TO_IDX["agent"]).any():
        own = view[-1, view.shape[1] // 2]
        own[[_WORD_INDEX["agent"], _WORD_INDEX[HEADINGS[direction]]]] = 1
    return view  # type: ignore[no-any-return]  # indexing an array with arrays is Any to mypy


def describe(observation: npt.ArrayLike, words: Sequence[str] = MINIGRID_WORDS) -> str:
    """Write a view, or a mission, as text for people.

    Args:
        observation: (rows, columns, words), zeros and ones.
        words: the vocabulary, `WordSpace.words`.

    Returns:
        A line a row, such as ``grey block | - | yellow locked door``; a free cell is ``-``.

    Raises:
        UsageError: the array is not one observation of these words.
    """
    array = np.asarray(observation)
    if array.ndim != 3 or array.shape[2] != len(words):
        raise UsageError(
            f"got an array of shape {array.shape}, but one observation is (rows, columns, {len(words)}): pass one row "
            "of a batch at a time, and the words of its space"
        )
    cells = [[_cell_text([words[int(index)] for index in np.flatnonzero(cell)]) for cell in row] for row in array]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = (" | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells)
    return "\n".join(line.rstrip() for line in lines)


def _cell_text(words: Sequence[str]) -> str:
    """Colour, state, kind, as people say them; kinds come first in `MINIGRID_WORDS`."""
    return " ".join(sorted(words, key=lambda word: word in _WORD_OF_KIND.values())) or "-"


def _view_size(env: gym.Env[Any, Any]) -> tuple[int, int]:
    """Columns and rows of the image.

    Raises:
        UsageError: there is no image of MiniGrid's.
    """
    space = env.observation_space
    other = next((type(layer).__name__ for layer in _layers(env) if isinstance(layer, _OTHER_ENCODINGS)), None)
    if not is_minigrid(env) or other:
        what = f"{other} has changed the image" if other else f"the observation space is {space}"
        raise UsageError(
            f"{what}, but MiniGridWords reads MiniGrid's own dictionary of image, direction and mission: use it before "
            "wrappers that change the observation"
        )
    shape = space["image"].shape  # type: ignore[index]  # it is a Dict
    if shape is None or len(shape) != 3 or shape[2] != 3:
        raise UsageError(f"the image's shape is {shape}, but MiniGrid's is (columns, rows, 3)")
    return shape[0], shape[1]


def _layers(env: gym.Env[Any, Any]) -> Iterator[gym.Env[Any, Any]]:
    """The environment's wrappers, outermost first, and the environment itself."""
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env
    yield env
