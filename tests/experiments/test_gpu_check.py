"""The check of a GPU runs; on a CPU it says so where there is none, and its checks can fail."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from rlmem.errors import UsageError
from rlmem.experiments import gpu_correctness
from rlmem.experiments.cuda_settings import prepare_device
from rlmem.experiments.device_envs import make_training_envs
from rlmem.experiments.gpu_check import main
from rlmem.experiments.presets import find_preset
from rlmem.experiments.training_run import make_policy
from rlmem.full_precision import full_precision
from rlmem.memories import ExpireSpanMemory

CPU = torch.device("cpu")


def test_all_of_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--device", "cpu", "--quick"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["correctness"]["passed"]
    assert report["correctness"]["warnings"] == []
    assert report["speed"]["4"]["acting_graph_steps_per_second"] > 0
    assert report["training"]["steps"] == 80


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.count("\n") == 1
    assert "finds no CUDA GPU" in shown.err


def test_a_wrong_forward_pass_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    right = gpu_correctness.outputs_and_gradients

    def wrong(policy, rollout):  # type: ignore[no-untyped-def]
        outputs, gradients = right(policy, rollout)
        return outputs * (1.001 if outputs.dtype == torch.float32 else 1), gradients

    monkeypatch.setattr(gpu_correctness, "outputs_and_gradients", wrong)
    assert gpu_correctness.of_kind("expire_span", CPU)["forward"] > gpu_correctness.TOLERANCE
    assert gpu_correctness.difference(torch.tensor([torch.nan]), torch.ones(1)) == float("inf")


def test_a_gpu_run_without_a_gpu_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    prepare_device("cpu", tf32=True)
    assert torch.get_float32_matmul_precision() == "highest"
    with pytest.raises(UsageError, match="trained on CUDA, but PyTorch finds no CUDA GPU here"):
        prepare_device("cuda", tf32=False)


def test_spans_are_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []
    linear = torch.nn.functional.linear

    def noting(*arguments: torch.Tensor) -> torch.Tensor:
        used.append(torch.get_float32_matmul_precision())
        return linear(*arguments)

    monkeypatch.setattr(torch.nn.functional, "linear", noting)
    torch.set_float32_matmul_precision("high")
    try:
        memory = ExpireSpanMemory(8, 10, 2, num_features=4).double()  # float32 on a CPU goes through kernels
        memory.spans(torch.zeros(1, 3, 8, dtype=torch.float64))
        with full_precision():
            pass
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert used == ["highest", "highest"]


def test_where_training_environments_live() -> None:
    config = find_preset("corridor")
    policy = make_policy(replace(config, run=replace(config.run, device="cpu")))
    here = make_training_envs(replace(config, run=replace(config.run, device="cpu")), policy, 2)
    there = make_training_envs(replace(config, run=replace(config.run, device="cuda")), policy, 2)
    shown = replace(config.environment, previous_action=True)
    wrapped = make_training_envs(replace(config, environment=shown, run=replace(config.run, device="cuda")), policy, 2)
    assert [hasattr(envs, "advance") for envs in (here, there, wrapped)] == [False, True, False]
