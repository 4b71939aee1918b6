"""Metrics gathered over the updates between two lines of the log."""

from __future__ import annotations

from typing import Any


class Gathered:
    """Means, and maxima of what is named `..._max`; the loss weighs by its predictions."""

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}
        self._weights: dict[str, float] = {}

    def add(self, metrics: dict[str, float], num_targets: int) -> None:
        """Take in an update's metrics.

        Args:
            metrics: by name.
            num_targets: weight of `train/loss`.
        """
        for name, value in metrics.items():
            weight = num_targets if name == "train/loss" else 1
            if "_max" in name:
                self._totals[name] = max(self._totals.get(name, value), value)
                self._weights[name] = 1
            else:
                self._totals[name] = self._totals.get(name, 0.0) + weight * value
                self._weights[name] = self._weights.get(name, 0) + weight

    def metrics(self) -> dict[str, float]:
        """What was gathered."""
        return {name: total / self._weights[name] for name, total in self._totals.items()}

    def clear(self) -> None:
        """Begin anew."""
        self._totals, self._weights = {}, {}

    def state_dict(self) -> dict[str, Any]:
        """Everything, JSON-able and exact."""
        return {"totals": dict(self._totals), "weights": dict(self._weights)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        self._totals, self._weights = dict(state["totals"]), dict(state["weights"])
