"""What the first rank tells the others to do: train a run beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from rlmem.experiments.run_directory import RunFolder, RunKind


@dataclass(frozen=True)
class Order:
    """The run to be trained. It travels between machines, which need not share a folder.

    Args:
        kind: of the run.
        config: the text of its config.json.
        path: of the run's folder, for messages.
        is_resumed: True if a checkpoint's states will be handed out.
    """

    kind: RunKind
    config: str
    path: str
    is_resumed: bool


def order_to_train(kind: RunKind, directory: RunFolder[Any], *, is_resumed: bool) -> Order:
    """The order to train a folder's run; arguments as of `Order`."""
    return Order(kind, json.dumps(directory.config.to_json()), str(directory.path), is_resumed)
