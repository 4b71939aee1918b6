"""Slots, compaction, windows and positions against plain loops."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rlmem.compaction import compact
from rlmem.memory_state import EMPTY_TIME, LayerMemory, MemoryState
from rlmem.positions import RelativePositions
from rlmem.window import Window

booleans = st.lists(st.lists(st.booleans(), min_size=7, max_size=7), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(booleans)
def test_compaction_keeps_each_rows_slots_in_order(kept: list[list[bool]]) -> None:
    is_kept = torch.tensor(kept)
    time = torch.arange(7).expand(len(kept), 7) * 10
    memory = compact(LayerMemory(time[:, :, None].float() + 0.5, time), is_kept)
    assert memory.time.shape[1] == max(map(sum, kept))
    for row, flags in enumerate(kept):
        expected = [10 * i for i, flag in enumerate(flags) if flag]
        is_live = memory.time[row] != EMPTY_TIME
        assert memory.time[row][is_live].tolist() == expected
        assert (memory.hidden[row][is_live][:, 0] - 0.5).tolist() == expected


def test_compaction_of_nothing() -> None:
    memory = compact(
        LayerMemory(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64)), torch.zeros(2, 0, dtype=torch.bool)
    )
    assert memory.hidden.shape == (2, 0, 4)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(booleans, st.data())
def test_window_against_a_loop(ends: list[list[bool]], data: st.DataObject) -> None:
    is_last = torch.tensor(ends)
    begins = torch.tensor(data.draw(st.lists(st.booleans(), min_size=len(ends), max_size=len(ends))))
    is_first = torch.cat([begins[:, None], is_last[:, :-1]], 1)
    start = torch.full((len(ends),), 50)
    window = Window.following(MemoryState((), start, start - 9), is_first, is_last)
    for row in range(len(ends)):
        running = 41
        for query in range(7):
            running = 50 + query if is_first[row, query] else running
            assert window.time[row, query] == 50 + query
            assert window.episode_start[row, query] == running
            later = [q for q in range(query, 7) if ends[row][q]]
            assert window.is_ended[row, query] == bool(later)
            assert window.last_query[row, query] == (later[0] if later else 6)


def test_age_is_exact_at_late_times() -> None:
    start = torch.tensor([400_000_000])
    window = Window.following(MemoryState((), start, start - 100), torch.zeros(1, 3, dtype=torch.bool))
    age = window.age_of(torch.tensor([[EMPTY_TIME, 399_999_899, 399_999_900, 399_999_999, 400_000_001]]), torch.float32)
    inf = torch.inf
    assert age.tolist() == [[[inf, inf, 100, 1, inf], [inf, inf, 101, 2, 0], [inf, inf, 102, 3, 1]]]


def test_relative_positions_against_a_loop() -> None:
    torch.manual_seed(0)
    reach, query, ages = 5, 8, torch.tensor([[30, 5, 4, 2, 1], [9, 6, 5, 3, 1]])
    positions = RelativePositions(reach, 3).double()
    queries = torch.randn(2, 2, query, 3, dtype=torch.float64)
    before, own = positions.window_scores(queries, positions.columns(ages)).split([5, query], dim=3)
    table = positions.step_table()

    def score(row: int, head: int, t: int, distance: int) -> float:
        return float(queries[row, head, t] @ positions.embedding[distance].detach()) if distance < reach else 0.0

    for row in range(2):
        for head in range(2):
            for t in range(query):
                expected = [score(row, head, t, t + int(age)) for age in ages[row]]
                torch.testing.assert_close(before[row, head, t].detach(), torch.tensor(expected, dtype=torch.float64))
                seen = torch.tensor([score(row, head, t, t - s) for s in range(t + 1)], dtype=torch.float64)
                torch.testing.assert_close(own[row, head, t, : t + 1].detach(), seen)
                distance = (t - torch.arange(t + 1)).clamp(max=reach)[None].expand(2, -1)
                step = positions.step_scores(queries[:, :, t], table, distance)
                torch.testing.assert_close(step[row, head].detach(), seen)
