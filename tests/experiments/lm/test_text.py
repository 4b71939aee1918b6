"""The options that all corpora share."""

from __future__ import annotations

import pytest

from rlmem.errors import UsageError
from rlmem.experiments.lm.text import TextOptions, not_the_whole


def test_a_sample_is_said_or_refused() -> None:
    assert not_the_whole(TextOptions(), "it is half") == ("it is half.",)
    with pytest.raises(UsageError, match="it is half, but --whole asks for all of it"):
        not_the_whole(TextOptions(whole=True), "it is half")
