"""What a text is scored by, and the options that all corpora share."""

from __future__ import annotations

import math

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm.text import TextOptions, metric_value, not_the_whole


def test_metrics() -> None:
    assert metric_value(math.log(8), "bpb") == metric_value(math.log(8), "bpc") == pytest.approx(3)
    assert metric_value(math.log(20), "ppl") == pytest.approx(20)
    assert metric_value(1e4, "ppl") == math.inf


def test_a_sample_is_said_or_refused() -> None:
    assert not_the_whole(TextOptions(), "it is half") == ("it is half.",)
    with pytest.raises(UsageError, match="it is half, but --whole asks for all of it"):
        not_the_whole(TextOptions(whole=True), "it is half")
