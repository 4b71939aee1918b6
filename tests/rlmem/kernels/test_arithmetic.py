"""The kernels' arithmetic against NumPy's in float64."""

from __future__ import annotations

import numpy as np
import pytest

from rlmem.kernels.arithmetic import (
    add_combination,
    cosine_of,
    layer_norm,
    multiply,
    product,
    sine_of,
    softmax,
    turned,
)


@pytest.mark.parametrize(("rows", "inner", "columns"), [(2, 4, 32), (8, 7, 5), (4, 64, 192), (6, 1, 1)])
def test_product(rows: int, inner: int, columns: int) -> None:
    generator = np.random.default_rng(0)
    left, right = (generator.standard_normal(shape, np.float32) for shape in ((rows, inner), (inner, columns)))
    out = np.full((rows, columns), np.nan, np.float32)
    product(left, right, out)
    np.testing.assert_allclose(out, left.astype(float) @ right.astype(float), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("inner", "first", "columns"), [(16, 0, 32), (7, 3, 10), (1, 1, 1)])
def test_add_combination(inner: int, first: int, columns: int) -> None:
    generator = np.random.default_rng(1)
    factors, rows = generator.standard_normal(inner, np.float32), generator.standard_normal((inner, 64), np.float32)
    out = generator.standard_normal(columns, np.float32)
    expected = out + factors.astype(float) @ rows[:, first : first + columns].astype(float)
    add_combination(factors, rows, first, out)
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)


def test_layer_norm() -> None:
    generator = np.random.default_rng(2)
    row, weight, bias = (generator.standard_normal(24, np.float32) for _ in range(3))
    out = np.empty(24, np.float32)
    layer_norm(row, weight, bias, 1e-5, out)
    exact = row.astype(float)
    expected = (exact - exact.mean()) / np.sqrt(exact.var() + 1e-5) * weight + bias
    np.testing.assert_allclose(out, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("scale", [0.1, 5.0, 60.0])
def test_softmax(scale: float) -> None:
    logits = (np.random.default_rng(3).standard_normal(45) * scale).astype(np.float32)
    logits[[0, 7, 44]] = -np.inf
    powers = np.exp(logits.astype(float) - logits.max())
    bits = np.empty(64, np.int32)
    factor = softmax(logits, bits, bits.view(np.float32))
    np.testing.assert_allclose(logits * factor, powers / powers.sum(), rtol=1e-5, atol=1e-9)
    assert (logits[[0, 7, 44]] == 0).all()


def test_softmax_passes_nan_on() -> None:
    logits, bits = np.array([0.0, np.nan, 1.0], np.float32), np.empty(3, np.int32)
    assert np.isnan(logits * softmax(logits, bits, bits.view(np.float32))).any()


def test_cosines_and_sines() -> None:
    generator = np.random.default_rng(4)
    angles = np.concatenate([generator.standard_normal(1000) * 30, [0, np.pi, -np.pi, np.nan]]).astype(np.float32)
    turns = [turned(angle) for angle in angles]
    assert np.nanmax(np.abs(turns)) <= 0.5 + 1e-6
    cosines, sines = [cosine_of(turn) for turn in turns], [sine_of(turn) for turn in turns]
    np.testing.assert_allclose(cosines, np.cos(angles.astype(float)), rtol=0, atol=2e-5)
    np.testing.assert_allclose(sines, np.sin(angles.astype(float)), rtol=0, atol=2e-5)


@pytest.mark.parametrize("is_added", [False, True])
@pytest.mark.parametrize(("rows", "terms", "columns"), [(8, 5, 16), (11, 7, 32), (24, 1, 48), (3, 4, 16), (9, 6, 7)])
def test_multiply_of_parts(rows: int, terms: int, columns: int, is_added: bool) -> None:
    """The left part is read transposed, and all three lie within larger arrays, which stay as they are."""
    generator = np.random.default_rng(3)
    left, right, out = (
        generator.standard_normal(shape, np.float32)
        for shape in ((terms + 2, rows + 3), (terms + 1, columns + 5), (rows + 2, columns + 4))
    )
    expected = out.astype(float)
    part = left[1 : terms + 1, 2 : rows + 2].T.astype(float) @ right[:terms, 3 : columns + 3].astype(float)
    expected[1 : rows + 1, 2 : columns + 2] = part + (expected[1 : rows + 1, 2 : columns + 2] if is_added else 0)
    multiply(
        (left, rows + 3 + 2, 1, rows + 3),
        (right, 3, columns + 5),
        (out, columns + 4 + 2, columns + 4),
        (rows, terms, columns),
        is_added,
    )
    np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)
