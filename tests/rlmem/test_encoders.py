"""Every kind of observation: shapes, scale, gradients and rows on their own, and what tells one value from another."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import Space, spaces
from torch import Tensor

from rlmem.encoders import (
    ByteEncoder,
    DiscreteEncoder,
    ImageEncoder,
    MultiBinaryEncoder,
    MultiDiscreteEncoder,
    VectorEncoder,
    make_encoder,
)
from rlmem.errors import UsageError
from rlmem.observation_leaves import leaf_spaces, leaves, stack_leaves
from rlmem.word_encoder import WordEncoder, match_words
from rlmem.word_space import WordSpace

MODEL = 16


def image(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, np.uint8)


SPACES: dict[str, tuple[Space[Any], list[type]]] = {
    "words": (WordSpace(3, 3, ("agent", "block", "door")), [WordEncoder]),
    "discrete": (spaces.Discrete(5, start=-2), [DiscreteEncoder]),
    "one value": (spaces.Discrete(1), [DiscreteEncoder]),
    "multi-discrete": (spaces.MultiDiscrete([2, 5, 3], start=[1, 0, -4]), [MultiDiscreteEncoder]),
    "multi-discrete matrix": (spaces.MultiDiscrete(np.array([[2, 3], [4, 1]]), dtype=np.int8), [MultiDiscreteEncoder]),
    "multi-binary": (spaces.MultiBinary(7), [MultiBinaryEncoder]),
    "multi-binary matrix": (spaces.MultiBinary([2, 3]), [MultiBinaryEncoder]),
    "bounded": (spaces.Box(np.array([0, -5, 2.0]), np.array([1, 100, 2.0]), dtype=np.float64), [VectorEncoder]),
    "unbounded": (spaces.Box(-np.inf, np.inf, (2, 3)), [VectorEncoder]),
    "half bounded": (spaces.Box(np.array([0, -np.inf]), np.array([np.inf, 1]), dtype=np.float64), [VectorEncoder]),
    "scalar": (spaces.Box(-1, 1, ()), [VectorEncoder]),
    "integers": (spaces.Box(-7, 9, (3,), np.int32), [VectorEncoder]),
    "booleans": (spaces.Box(0, 1, (3, 2), np.bool_), [VectorEncoder]),
    "unsigned": (spaces.Box(0, 60_000, (3,), np.uint16), [VectorEncoder]),
    "float image": (spaces.Box(0, 1, (9, 8, 3)), [VectorEncoder]),
    "few bytes": (image(7, 7, 3), [ByteEncoder]),
    "many bytes": (image(5000), [VectorEncoder]),
    "smallest image": (image(8, 8, 3), [ImageEncoder]),
    "small grey image": (image(11, 35), [ImageEncoder]),
    "channel-first image": (image(3, 36, 40), [ImageEncoder]),
    "atari": (image(84, 84, 4), [ImageEncoder]),
    "large image": (image(168, 200, 1), [ImageEncoder]),
    "structure": (
        spaces.Dict({"a": spaces.Tuple([spaces.Discrete(3), image(8, 9)]), "b": spaces.Box(-1, 1, (2,))}),
        [DiscreteEncoder, ImageEncoder, VectorEncoder],
    ),
}
each_space = pytest.mark.parametrize("name", SPACES)


def samples(space: Space[Any], number: int) -> tuple[Tensor, ...]:
    space.seed(0)
    batch = stack_leaves(space, [space.sample() for _ in range(number)])
    return tuple(torch.as_tensor(leaf) for leaf in batch)


@each_space
def test_kinds_shapes_rows_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    space, kinds = SPACES[name]
    encoder = make_encoder(space, MODEL)
    assert encoder.paths == tuple(leaf_spaces(space))
    assert [type(part) for part in encoder.encoders] == kinds
    batch = samples(space, 6)
    encoded = encoder(batch)
    assert encoded.shape == (6, MODEL)
    assert encoded.dtype == torch.float32
    for row in range(6):
        torch.testing.assert_close(encoder(tuple(leaf[row] for leaf in batch)), encoded[row], rtol=1e-4, atol=1e-5)
    window = encoder(tuple(leaf.reshape(3, 2, *leaf.shape[1:]).transpose(0, 1) for leaf in batch))
    torch.testing.assert_close(window, encoded.view(3, 2, MODEL).transpose(0, 1), rtol=1e-4, atol=1e-5)
    encoded.square().sum().backward()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in encoder.parameters())
    assert all(weight.grad is not None and weight.grad.any() for weight in encoder.parameters())


@each_space
def test_initial_outputs_have_about_unit_variance(name: str) -> None:
    torch.manual_seed(1)
    space, _ = SPACES[name]
    encoder = make_encoder(space, 64)
    assert 0.3 < encoder(samples(space, 20)).square().mean() < 3


@each_space
def test_double_precision(name: str) -> None:
    space, _ = SPACES[name]
    assert make_encoder(space, MODEL).double()(samples(space, 2)).dtype == torch.float64


@each_space
def test_different_observations_differ(name: str) -> None:
    space, _ = SPACES[name]
    encoded = make_encoder(space, MODEL)(samples(space, 6))
    differences = (encoded - encoded[:1]).abs().amax(1)
    assert (differences > 1e-3).sum() >= 3 or name == "one value"


def test_a_single_leaf_is_its_encoders_output() -> None:
    space, _ = SPACES["words"]
    encoder = make_encoder(space, MODEL)
    (batch,) = samples(space, 4)
    assert torch.equal(encoder((batch,)), encoder.encoders[0](batch))
    torch.manual_seed(3)
    drawn = WordEncoder(("agent", "block", "door"), 9, MODEL).embedding
    torch.manual_seed(3)
    same = dict(make_encoder(space, MODEL).named_parameters())["encoders.0.embedding"]
    assert torch.equal(same, drawn), "runs made before stay the same"


@pytest.mark.parametrize("shape", [(4,), (40, 30), (0,)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_compiled_sums_of_words_are_those_of_float64(dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    torch.manual_seed(2)
    encoder = WordEncoder([f"word {number}" for number in range(23)], 6, 24)
    words = torch.randint(0, 3, (*shape, 2, 3, 23)).mul(torch.rand(*shape, 2, 3, 23) < 0.2).to(dtype)
    words = words.transpose(0, -4)  # as a learner gives them
    exact = deepcopy(encoder).double()
    encoded, expected = encoder(words), exact(words)
    torch.testing.assert_close(encoded.double(), expected, rtol=0, atol=1e-5)
    to_encoded = torch.randn_like(encoded)
    (gradient,) = torch.autograd.grad(encoded, encoder.embedding, to_encoded)
    (exact_gradient,) = torch.autograd.grad(expected, exact.embedding, to_encoded.double())
    torch.testing.assert_close(gradient.double(), exact_gradient, rtol=0, atol=1e-4)


def test_several_leaves_are_summed() -> None:
    space, _ = SPACES["structure"]
    encoder = make_encoder(space, MODEL)
    batch = samples(space, 4)
    alone = [part(leaf) for part, leaf in zip(encoder.encoders, batch, strict=True)]
    torch.testing.assert_close(encoder(batch), sum(alone) / 3**0.5)


def test_multi_discrete_against_a_loop() -> None:
    space = spaces.MultiDiscrete([2, 5, 3], start=[1, 0, -4])
    encoder = MultiDiscreteEncoder(space, MODEL)
    (batch,) = samples(space, 5)
    for row, encoded in zip(batch.tolist(), encoder(batch), strict=True):
        rows = [row[0] - 1, 2 + row[1], 2 + 5 + row[2] + 4]
        torch.testing.assert_close(encoded, encoder.embedding[rows].sum(0))


def test_discrete_respects_the_start() -> None:
    encoder = DiscreteEncoder(spaces.Discrete(3, start=10), MODEL)
    assert torch.equal(encoder(torch.tensor([10, 12])), encoder.embedding.weight[[0, 2]])


def features_of(encoder: VectorEncoder, observation: Tensor) -> Tensor:
    """What reaches the encoder's network."""
    caught: list[Tensor] = []
    handle = encoder.network.register_forward_pre_hook(lambda _, inputs: caught.append(inputs[0]))
    encoder(observation)
    handle.remove()
    return caught[0]


def test_bounds_are_mapped_to_one_and_the_unbounded_is_compressed() -> None:
    low, high = np.array([-4, 0, -np.inf, -3e38, 5]), np.array([6, np.inf, np.inf, 3e38, 5])
    encoder = VectorEncoder(spaces.Box(low, high, dtype=np.float64), MODEL)
    seen = features_of(encoder, torch.tensor([[-4, 1, -1, 1e6, 5], [6, 0, 0.001, -1e6, 5], [1, 1e30, 0, 0, 5]]))
    million = np.log(1e6 + 1)
    expected = [[-1, np.log(2), -np.log(2), million, 0], [1, 0, np.log(1.001), -million, 0], [0, np.log(1e30), 0, 0, 0]]
    torch.testing.assert_close(seen, torch.tensor(expected, dtype=torch.float32))


def test_the_dtypes_own_bounds_are_no_range() -> None:
    encoder = VectorEncoder(spaces.Box(-(2**31), 2**31 - 1, (1,), np.int32), MODEL)
    seen = features_of(encoder, torch.tensor([[1], [-3]], dtype=torch.int32))
    torch.testing.assert_close(seen, torch.tensor([[np.log(2)], [-np.log(4)]], dtype=torch.float32))


@pytest.mark.parametrize("shape", [(7, 7, 3), (8, 8, 3)])
def test_symbols_are_told_apart(shape: tuple[int, ...]) -> None:
    """A door in place of a wall changes the encoding by a good part of its size, although 1/255 apart in value."""
    torch.manual_seed(0)
    encoder = make_encoder(image(*shape), 64)
    walls = torch.full((2, *shape), 2, dtype=torch.uint8)
    walls[1, 3, 3, 0] = 4
    encoded = encoder((walls,))
    assert (encoded[1] - encoded[0]).norm() > 0.02 * encoded[0].norm()


def test_channel_first_images_equal_channel_last_ones() -> None:
    torch.manual_seed(0)
    last = ImageEncoder(image(36, 40, 3), MODEL)
    first = ImageEncoder(image(3, 36, 40), MODEL)
    first.load_state_dict(last.state_dict())
    (batch,) = samples(image(36, 40, 3), 2)
    torch.testing.assert_close(first(batch.movedim(3, 1)), last(batch))


@pytest.mark.parametrize(
    "space",
    [
        spaces.Text(5),
        spaces.Sequence(spaces.Discrete(2)),
        spaces.Graph(spaces.Box(-1, 1), None),
        spaces.OneOf([spaces.Discrete(2), spaces.Discrete(3)]),
        spaces.Box(0, 1, (0,)),
    ],
    ids=lambda space: type(space).__name__,
)
def test_what_has_no_encoder_is_named(space: Space[Any]) -> None:
    with pytest.raises(UsageError, match=r"at 'observation', which no encoder takes; supported are Box, Discrete"):
        make_encoder(space, MODEL)
    with pytest.raises(UsageError, match=r"at 'a\.1', which no encoder takes") as raised:
        make_encoder(spaces.Dict({"a": spaces.Tuple([spaces.Discrete(2), space])}), MODEL)
    assert str(space) in str(raised.value)


def test_empty_and_huge_spaces_are_refused() -> None:
    with pytest.raises(UsageError, match="no entries"):
        make_encoder(spaces.Dict({}), MODEL)
    with pytest.raises(UsageError, match="2147483648 values"):
        make_encoder(spaces.Discrete(2**31), MODEL)
    with pytest.raises(UsageError, match="values, but each has an embedding"):
        make_encoder(spaces.MultiDiscrete([2**20, 1]), MODEL)


def test_leaves_of_a_structured_batch_fit_the_encoder() -> None:
    space, _ = SPACES["structure"]
    batch = {"a": (np.array([0, 2]), np.zeros((2, 8, 9), np.uint8)), "b": np.zeros((2, 2), np.float32)}
    tensors = tuple(torch.as_tensor(leaf) for leaf in leaves(space, batch))
    assert make_encoder(space, MODEL)(tensors).shape == (2, MODEL)


def test_words_are_matched() -> None:
    old, initial = torch.randn(9, 3, MODEL), torch.randn(9, 4, MODEL)
    matched = match_words(old, ("agent", "block", "door"), ("door", "key", "agent", "lamp"), initial)
    assert torch.equal(matched[:, [0, 2]], old[:, [2, 0]])
    assert torch.equal(matched[:, [1, 3]], initial[:, [1, 3]])
    assert torch.equal(match_words(old, "abc", "defg", initial), initial)
    with pytest.raises(UsageError, match="4 cells"):
        match_words(old[:4], "abc", "defg", initial)
    with pytest.raises(UsageError, match="old embedding has 3 words, but 2"):
        match_words(old, "ab", "defg", initial)
