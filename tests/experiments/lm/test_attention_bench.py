"""What the attention bench compares is equal; what it counts in bytes. Nothing here looks at times."""

from __future__ import annotations

import json

import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments.lm.allocated_bytes import extra_bytes
from rlmem.experiments.lm.attention_bench import (
    AttentionBenchOptions,
    attention_bench,
    dense_read,
    gradients,
    long_read,
    make_case,
)
from rlmem.experiments.lm.long_context_bench import LongContextOptions, over_lengths

SMALL = AttentionBenchOptions(batch=2, block=32, model=32, heads=4, repeats=1)
SHORT = LongContextOptions(spans=(512, 4096), live_span=64, block=32, batch=2, model=16, num_layers=1, repeats=1)


def test_equals_the_dense_formula_at_5_percent_of_4096_memories() -> None:
    case = make_case(SMALL, dtype=torch.float64)
    dense, dense_gradients = gradients(case, dense_read)
    long, long_gradients = gradients(case, long_read)
    assert case.memory.time.shape == (2, 4096)
    kind, age = case.layer.memory, case.window.time[:, :1] - case.memory.time
    described = kind.describe(case.layer.attention_norm(case.memory.hidden), age, None)
    assert abs(float(kind.is_kept(age.double(), described).double().mean()) - 0.05) < 0.001
    assert (long - dense).abs().max() < 1e-10 * dense.abs().max()
    reached = {name for name, _ in case.layer.named_parameters() if name.startswith(("attention", "memory"))}
    assert set(long_gradients) == set(dense_gradients) == reached | {"hidden"}
    for name, gradient in dense_gradients.items():
        assert gradient.abs().max() > 0
        assert (long_gradients[name] - gradient).abs().max() < 1e-10 * gradient.abs().max(), name


def test_extra_bytes() -> None:
    before = torch.zeros(1000)

    def work() -> None:
        first = torch.ones(50_000)
        del first
        second = torch.ones(30_000)
        (second + 1).sum()

    for _ in range(2):  # what is left of one call does not count in the next
        assert 240_000 <= extra_bytes(work) < 245_000
    assert before.sum() == 0
    assert extra_bytes(lambda: None) == 0


def test_the_report_is_json() -> None:
    report = json.loads(json.dumps(attention_bench(SMALL, SHORT)))
    assert report["against_dense"]["options"]["num_slots"] == 4096
    assert report["against_dense"]["times_less_memory"] > 5
    assert report["against_dense"]["times_faster"] > 0
    assert [line["max_span"] for line in report["over_lengths"]["lines"]] == [512, 4096]


def test_memory_does_not_grow_with_the_longest_span() -> None:
    first, second = over_lengths(SHORT)
    assert abs(first["live"] - 64 - 32) <= 2
    assert abs(second["live"] - first["live"]) <= 2
    assert abs(second["times_memory"] - 1) < 0.05


@pytest.mark.parametrize("changes", [{"batch": 0}, {"live_share": 0.0}, {"live_share": 1.1}])
def test_sizes_that_cannot_be(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(changes))):
        AttentionBenchOptions(**changes)  # type: ignore[arg-type]


def test_spans_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"spans are \(100,\), but"):
        LongContextOptions(spans=(100,))
