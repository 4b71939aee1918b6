"""On a GPU: what `gpu_check` holds it to, one property a test. Skips without one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from rlmem.experiments import gpu_correctness
from rlmem.experiments.cuda_settings import prepare_device
from rlmem.experiments.gpu_correctness import KINDS, TOLERANCE
from rlmem.model_config import MemoryKind

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")


@pytest.fixture(autouse=True)
def _device() -> Iterator[None]:
    prepare_device("cuda", tf32=False)
    yield
    torch.use_deterministic_algorithms(False)


CUDA = torch.device("cuda")


@pytest.mark.parametrize("kind", KINDS)
def test_acting_forward_and_gradients_equal_float64_on_a_cpu(kind: MemoryKind) -> None:
    for name, value in gpu_correctness.of_kind(kind, CUDA).items():
        assert value < TOLERANCE, name


def test_fused_attention_equals_float64_on_a_cpu() -> None:
    assert gpu_correctness.of_fused_attention(CUDA) < TOLERANCE


@pytest.mark.parametrize("make", [gpu_correctness._corridors, gpu_correctness._portals])
def test_environments_equal(make: gpu_correctness.MakeEnvs) -> None:
    assert gpu_correctness.environments_equal(make, CUDA)


def test_a_graph_equals_steps_by_python() -> None:
    assert gpu_correctness.graph_equals_eager(CUDA)


def test_resumes_to_the_bit() -> None:
    is_exact, warnings = gpu_correctness.resume_exact(CUDA)
    assert is_exact
    assert not warnings
