"""What a task's language models are compared by, from what `rlmem lm eval` and the logs say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ScoreName = Literal["accuracy", "error", "bits", "perplexity"]


@dataclass(frozen=True)
class ModelScore:
    """A score.

    Args:
        name: which one.
        label: for people, with its unit.
        digits: after the point.
    """

    name: ScoreName
    label: str
    digits: int

    @property
    def is_share(self) -> bool:
        """True for a share of the answers in per cent."""
        return self.name in ("accuracy", "error")

    @property
    def logged(self) -> str:
        """The metric in the logs that it is made of."""
        return "eval/item_accuracy" if self.is_share else f"eval/{self.name}"

    def of(self, evaluation: Mapping[str, Any]) -> float:
        """The score of an evaluation."""
        return self.convert(float(evaluation["item_accuracy" if self.is_share else self.name]))

    def convert(self, value: float) -> float:
        """The score that a logged value, or a share of right answers, stands for."""
        if not self.is_share:
            return value
        return 100 * value if self.name == "accuracy" else 100 * (1 - value)

    def show(self, value: float) -> str:
        """For people, without the unit."""
        return f"{value:.{self.digits}f}"


SCORES: dict[str, ModelScore] = {
    "copy": ModelScore("accuracy", "right copies on test (%)", 1),
    "instruction": ModelScore("accuracy", "instructions executed rightly on test (%)", 1),
    "collision": ModelScore("error", "error on test (%)", 1),
    "collision-easy": ModelScore("error", "error on test (%)", 1),
    "enwik8": ModelScore("bits", "bits per byte on test", 3),
    "pg19": ModelScore("bits", "bits per character on test", 3),
    "wikitext103": ModelScore("perplexity", "perplexity on test", 1),
}
"""By task."""
