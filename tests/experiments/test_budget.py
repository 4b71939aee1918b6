"""What is counted of operations, and of a window of Corridor's agent."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments import budget as budget_module
from rlmem.experiments.budget import BudgetArguments, as_table, budget
from rlmem.experiments.machine_ceilings import Ceilings
from rlmem.experiments.operation_count import OperationCount
from rlmem.experiments.presets import find_preset
from rlmem.experiments.training_run import make_policy


def test_products_views_and_the_rest_are_told_apart() -> None:
    left, right, bias = torch.ones(2, 3), torch.ones(3, 4), torch.ones(4)
    with OperationCount() as counting:
        product = torch.addmm(bias.expand(2, 4), left, right)
        product.view(8).narrow(0, 0, 2).mul_(2.0)
    counted = counting.counted
    assert (counted.operations, counted.views) == (2, 3)
    assert counted.products == {(2 * 2 * 3 * 4, 4 * (4 + 6 + 12 + 8)): 1}
    assert counted.flops == 48
    assert counted.other_bytes == 2 * 2 * 4


def test_a_window_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget_module, "measure_ceilings", lambda: Ceilings(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0))
    found = budget(BudgetArguments(windows=1))
    acting, learning = found["parts"]["acting"], found["parts"]["learning"]
    config = find_preset("corridor")
    layers = make_policy(replace(config, run=replace(config.run, device="cpu"))).core.layer_list()
    matrices = [weight for layer in layers for name, weight in layer.named_parameters() if name.endswith(".weight")]
    linear = 2 * sum(weight.numel() for weight in matrices if weight.ndim == 2)
    assert found["steps"] == 6400
    assert acting["flops"] > linear * found["steps"], "each step multiplies with all weights at least once"
    assert learning["flops"] > 2.5 * linear * found["steps"], "and learning forwards, and twice backwards"
    assert acting["least_seconds"]["environments"] > 0 == learning["least_seconds"]["environments"]
    assert as_table(found).count("\n") > 20


def test_no_windows_are_refused() -> None:
    with pytest.raises(UsageError, match="--windows is 0, but it must be at least 1"):
        BudgetArguments(windows=0)
