"""Figures and tables from results that are written by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from rlmem.experiments.lm.passage import Spelling
from rlmem.experiments.lm.text_trace import SymbolMemories, TextTrace
from rlmem.experiments.lm.vocabulary import BYTES
from rlmem.experiments.reproduce import efficiency
from rlmem.experiments.reproduce.artefact import Material
from rlmem.experiments.reproduce.coloured_text import cells_of, num_rows
from rlmem.experiments.reproduce.efficiency import efficiency_summary, efficiency_table
from rlmem.experiments.reproduce.limited_span import limited_figure, worse_words
from rlmem.experiments.reproduce.memory_dropout import dropout_figure, stretch_means
from rlmem.experiments.reproduce.model_score import SCORES
from rlmem.experiments.reproduce.paper import PAPER
from rlmem.experiments.reproduce.records import Record
from rlmem.experiments.reproduce.score_drawing import draw_scores
from rlmem.experiments.reproduce.symbol_class import mean_by_class
from rlmem.experiments.reproduce.text_spans import choose_word, spans_figure

SPELLING = Spelling(BYTES)


def record(task: str, kind: str, size: int, memory: float, counterpart: str | None = None, **figures: float) -> Record:
    evaluation = {"memory_size_mean": memory, "parameters": 1000, **figures}
    curve = {"step": [1, 2, 3], SCORES[task].logged: [None, 0.5, 0.75]}
    return {
        "key": f"{task}-{kind}-L{size}-s1", "task": task, "kind": kind, "label": "", "seed": 1, "size": size,
        "counterpart": counterpart, "status": "finished", "evaluation": evaluation, "curve": curve,
    }  # fmt: skip


FAILED: Record = {
    "key": "f", "task": "collision", "kind": "adaptive_span", "label": "", "seed": 1, "size": None,
    "counterpart": "Adapt-Span 16k", "status": "failed", "error": "out of memory",
}  # fmt: skip


def symbols(text: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.frombuffer(text.encode(), np.uint8).astype(np.int64)


def test_scores_of_runs() -> None:
    records = [
        record("collision", "expire_span", 512, 41.25, "Expire-Span 64k", item_accuracy=0.9, chance=0.25),
        record("collision", "transformer_xl", 42, 42.0, "Trans-XL 1k", item_accuracy=0.4, chance=0.25),
        FAILED,
    ]
    drawn = draw_scores(Material("a title", PAPER["table-3"], records))
    lines = drawn.table.splitlines()
    assert lines[2] == "| Expire-Span | 512 | 1 | 41.2 | 10.0 | 1,000 | Expire-Span 64k | 26.7 |"
    assert lines[4] == "| Adaptive-Span | – | 1 | – | failed: out of memory | – | Adapt-Span 16k | 59.8 |"
    assert drawn.summary == "error on test (%), at average memory: Expire-Span 10.0 at 41; Transformer-XL 60.0 at 42"
    assert drawn.details["scores"]["collision-transformer_xl-L42-s1"] == {"score": 60.0, "memory_size_mean": 42.0}
    assert drawn.figure is not None
    points, curves = drawn.figure.axes
    xy = {line.get_label(): line.get_xydata().tolist() for line in points.lines}  # type: ignore[union-attr]
    assert xy["Expire-Span, labelled with L"] == [[41.25, pytest.approx(10.0)]]
    assert np.asarray(points.lines[-1].get_ydata())[0] == 75, "the error of a guess"
    assert np.asarray(curves.lines[0].get_ydata()).tolist() == [50.0, 25.0]
    assert {text.get_text() for text in points.texts} == {"512", "42"}


@pytest.mark.parametrize(("task", "shown"), [("enwik8", "1.234"), ("wikitext103", "19.6"), ("copy", "50.0")])
def test_units(task: str, shown: str) -> None:
    evaluation = {"bits": 1.234, "perplexity": 19.6, "item_accuracy": 0.5}
    assert SCORES[task].show(SCORES[task].of(evaluation)) == shown


def test_efficiency() -> None:
    records = [
        record("collision", "expire_span", 512, 41.25, item_accuracy=0.9),
        {**FAILED, "key": "collision-adaptive_span-s1"},
    ]
    costs = {"collision-expire_span-L512-s1": {"peak_memory_mib": 345.6, "milliseconds_per_batch": 12.3}}
    lines = efficiency_table(records, costs, PAPER["table-4"]).splitlines()
    assert lines[2] == "| collision | Expire-Span | 10.0, error on test (%) | 41.2 | 346 | 12 | 52.2 | 11.9 | 130 |"
    assert lines[3] == "| collision | Adaptive-Span | failed: out of memory | – | – | – | 59.8 | 17.2 | 365 |"
    assert efficiency_summary(records[:1], costs) == "collision (error on test (%)): Expire-Span 10.0, 346 MiB, 12 ms"


def test_words_that_get_worse() -> None:
    passage = SPELLING.passage(symbols("at the coast, far off, the coast"))
    increase = np.zeros(passage.length, np.float32)
    increase[27:] = 0.5  # the last word, five symbols
    increase[3:6] = 0.25
    increase[14:17] = -4
    first, second = worse_words(passage, increase)
    assert (first.word, first.place, first.increase, first.last_seen) == ("coast", 27, 2.5, 20)
    assert (second.word, second.place, second.increase, second.last_seen) == ("the", 3, 0.75, None)
    assert first.before.endswith("off, the ")
    figure = limited_figure(passage, increase, [first, second], "a title")
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == [
        "'coast': +2.5 bits, last seen 20 symbols before", "'the': +0.8 bits, never before"
    ]  # fmt: skip


def test_nothing_got_worse() -> None:
    passage = SPELLING.passage(symbols("the coast"))
    assert worse_words(passage, np.zeros(9, np.float32)) == []
    assert len(limited_figure(passage, np.zeros(9, np.float32), [], "a title").axes) == 1


def test_stretches() -> None:
    bits = np.array([1, 3, 5, 7, 100], np.float32)
    assert stretch_means(bits, 2).tolist() == [2, 6, 100]
    figure = dropout_figure({"dropped": stretch_means(bits, 2), "whole": np.array([1.0, 2.0, 3.0])}, 2, "a title")
    assert [line.get_label() for line in figure.axes[0].lines] == ["with memory dropout", "without"]


def test_classes_of_symbols() -> None:
    pieces = SPELLING.pieces(symbols("Aé 1\n=b"))
    values = np.array([1, 2, 50, 3, 4, 5, 7, 4])
    means = mean_by_class(pieces, values)
    assert means == {"capital": 1, "small letter": 3, "digit": 4, "space": 3, "line end": 5, "other": 28.5}


def test_cells_of_a_text() -> None:
    pieces = SPELLING.pieces(symbols("é\n字$"))
    text, values = cells_of(pieces, range(len(pieces)), "")
    assert (text, values) == ("é¶·$", [0, 2, 3, 6])
    assert cells_of(["of", "it"], [1, 2], " ") == ("of it ", [1, 1, 1, 2, 2, 2])
    assert [num_rows("x" * count, 10) for count in (1, 10, 11)] == [1, 1, 2]


def trace(text: str, *spans: list[float]) -> TextTrace:
    passage = SPELLING.passage(symbols(text))
    zeros = np.zeros(passage.length, np.int64)
    layers = [
        SymbolMemories(np.array(span, np.float32), zeros, zeros, zeros * 0.0, zeros * 0.0, zeros) for span in spans
    ]
    return TextTrace(passage, zeros.astype(np.float32), zeros, True, tuple(layers))


def test_the_word_that_stands_out() -> None:
    text = "a Guinea Egypt"
    even, one = [10.0] * len(text), [10.0] * len(text)
    one[11] = 40
    chosen = choose_word(trace(text, even, one))
    assert (chosen.word, chosen.start, chosen.layer) == ("Egypt", 9, 1)
    assert choose_word(trace("some words", [1.0] * 9 + [5.0])).word == "words", "no word is capitalised"
    assert choose_word(trace("1 2", [1.0, 1.0, 5.0])).word == "2", "nor long"


def test_spans_are_drawn_against_their_layers_longest() -> None:
    read = trace("a Guinea Egypt", [1.0] * 13 + [4.0], [100.0] * 13 + [50.0])
    figure = spans_figure([("one", read, 0), ("two", read, 1)], "a title")
    first, second, _ = figure.axes
    assert (first.get_ylabel(), second.get_ylabel()) == ("one\n1 = 4 steps", "two\n1 = 100 steps")
    array = first.collections[0].get_array()
    assert array is not None
    drawn = np.ma.filled(array, np.nan).ravel()
    assert drawn[:14].tolist() == [0.25] * 13 + [1.0]
    assert np.isnan(drawn[14:]).all()


def test_costs_are_those_of_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def bench(words: list[str]) -> int:
        asked.extend(words)
        measured = {path: {"milliseconds_per_batch": number} for number, path in enumerate(words[:-1])}
        print(json.dumps({"machine": {"cores": 2}, "measured": measured}))
        return 0

    monkeypatch.setattr(efficiency, "run_bench", bench)
    records = [{**record("collision", "expire_span", 8, 1.0), "path": "b"}, {**FAILED, "path": "a"}]
    machine, costs = efficiency.measure(records)
    assert asked == ["b", "a", "--json"]
    assert (machine, [costs[one["key"]]["milliseconds_per_batch"] for one in records]) == ({"cores": 2}, [0, 1])
    assert efficiency.measure([]) == ({}, {})
