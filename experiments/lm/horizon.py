"""How far back the symbols lie that a task's answers depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rlmem.errors import check
from rlmem.experiments.lm.generated_stream import GeneratedStream

_BLOCK = 4096


@dataclass(frozen=True)
class Horizon:
    """Distances, in symbols, from where an answer begins back to the earliest symbol that it depends on.

    Args:
        mean: over the answers.
        max: the longest of them; where a task has no bound, the longest that was seen.
    """

    mean: float
    max: int


def measure_horizon(stream: GeneratedStream, num_symbols: int) -> Horizon:
    """Measure it on a stream's next symbols.

    Args:
        stream: is read on.
        num_symbols: how many symbols of each row.

    Raises:
        UsageError: no answer begins among them.
    """
    reaches = []
    for start in range(0, num_symbols, _BLOCK):
        chunk = stream.next_chunk(min(_BLOCK, num_symbols - start))
        if chunk is not None:
            reaches.append(chunk.reach[chunk.reach > 0])
    reach = np.concatenate(reaches)
    check(len(reach) > 0, f"no answer begins in {num_symbols} symbols, so they have no horizon; measure more")
    return Horizon(float(reach.mean()), int(reach.max()))
