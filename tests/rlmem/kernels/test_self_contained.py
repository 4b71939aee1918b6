"""A kernel gives the same bits in the process that compiles it and in those that find it in the cache."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KERNEL = """
import numpy as np
from numba import prange
from rlmem.kernels.arithmetic import layer_norm, softmax
from rlmem.kernels.compiling import compiled_for_threads

@compiled_for_threads
def repeat(rows, weight, bias, bits, powers, out, bounds):
    for part in prange(len(bounds) - 1):
        for row in range(bounds[part], bounds[part + 1]):
            layer_norm(rows[row], weight, bias, 1e-5, out[row])
            out[row, 0] += softmax(out[row], bits[part], powers[part])
            layer_norm(out[row], weight, bias, 1e-5, rows[row])
            rows[row, 0] += softmax(rows[row], bits[part], powers[part])

generator = np.random.default_rng(0)
rows, weight, bias = (generator.standard_normal(shape, np.float32) for shape in ((300, 50), 50, 50))
bits, out = np.zeros((2, 50), np.int32), np.empty_like(rows)
repeat(rows, weight, bias, bits, bits.view(np.float32), out, np.array([0, *{parts}]))
print(rows.tobytes().hex(), out.tobytes().hex())
"""


def test_bits_are_those_of_the_cache(tmp_path: Path) -> None:
    for name, parts in (("alone", "[300]"), ("together", "[150, 300]")):
        script = tmp_path / f"{name}.py"
        script.write_text(KERNEL.replace("*{parts}", f"*{parts}"))
        first, second = (
            subprocess.run(
                [sys.executable, script],
                env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for _ in range(2)
        )
        assert list(tmp_path.rglob("*.nbc")), "the kernel is not kept"
        assert first == second, name
