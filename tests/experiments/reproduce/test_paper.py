"""The paper's numbers against its text, a few of them by hand."""

from __future__ import annotations

from rlmem.experiments.reproduce.paper import PAPER


def test_numbers() -> None:
    assert PAPER["table-1"].row("Expire-Span 128K").score == 52.1
    assert PAPER["table-2"].row("Expire-Span 12L").score == 0.994
    assert PAPER["table-2"].row("Our Trans-XL 12L baseline").parameters == "38M"
    assert PAPER["table-3"].row("Expire-Span 64k").score == 26.7
    row = PAPER["table-4"].row("collision: Adaptive-Span")
    assert (row.score, row.gpu_gigabytes, row.milliseconds) == (59.8, 17.2, 365)
    assert PAPER["table-5"].row("Expire-Span").score == 19.6
    assert PAPER["table-6"].row("Expire-Span 4096").score == 3.2
    assert [len(PAPER[f"table-{number}"].rows) for number in range(1, 7)] == [3, 11, 6, 11, 7, 4]
    assert all("page" in result.where for result in PAPER.values())
