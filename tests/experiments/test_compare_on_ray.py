"""`rlmem compare --cluster` on a Ray cluster of two nodes: spread, killed, a node lost; and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments.cli import main
from rlmem.experiments.ray_cluster import Premise

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
pytest.importorskip("ray", reason="Ray is not installed: pip install 'rlmem[ray]'")

Command = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]

NAMES = ["expire_span-L6-s1", "expire_span-L6-s2"]
RUNS = Path("runs/fig")
FLAGS = (
    "--num-envs 4 --num-steps 8 --model 16 --feedforward 16 --ramp 2 --max-length 6 --max-episode-steps 20 "
    "--num-minibatches 2 --log-interval 640 --checkpoint-interval 320 --eval-interval 3200 --eval-episodes 4 "
    "--no-eval-images"
)


def words(*more: str) -> list[str]:
    given = "--kinds expire_span:6 --seeds 1 2 --total-timesteps 6400 --episodes 10 --out fig"
    return ["compare", "corridor", *given.split(), *more, "--", *FLAGS.split()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on addresses that lead nowhere else; it is kept from the machine's own Ray."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path is short
    head = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.2", "temp_dir": folder}
    made = Cluster(initialize_head=True, head_node_args={**head, "object_store_memory": 80_000_000})
    made.add_node(num_cpus=1, node_ip_address="127.0.0.3", object_store_memory=80_000_000)
    yield made
    made.shutdown()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the comparison was made without Ray and without interruption."""
    folder = tmp_path_factory.mktemp("expected")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(words("--quiet")) == 0
    return folder


def process_of(name: str) -> int | None:
    """The process that trains a run."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if f"{RUNS.resolve()} {name} " in line]
    return int(lines[0].split()[0]) if lines else None


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str]) -> None:
    while not condition():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


def has_saved(name: str) -> bool:
    return any((RUNS / name / "checkpoints").glob("step_*"))


def node_of(cluster: Any, process: int) -> Any:
    """The node whose raylet started the worker that started a run's process."""
    worker, raylet = (int(parent) for parent in _ancestors(process))
    (node,) = [node for node in cluster.list_all_nodes() if raylet in _raylets(node)]
    return worker, node


def _ancestors(process: int) -> Iterator[str]:
    for _ in range(2):
        words = ["ps", "-o", "ppid=", "-p", str(process)]
        parent = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
        yield parent
        process = int(parent)


def _raylets(node: Any) -> list[int]:
    return [one.process.pid for one in node.all_processes["raylet"]]


def test_runs_that_lose_their_workers_and_a_machine_end_as_if_they_had_not(
    here: Path, cluster: Any, expected: Path, rlmem_process: Start
) -> None:
    process = rlmem_process(*words("--cluster", cluster.address))
    wait_for(lambda: all(map(has_saved, NAMES)), process)  # both nodes at work
    killed = process_of(NAMES[0])
    assert killed is not None, "the kill came after the end"
    os.kill(killed, signal.SIGKILL)
    other = process_of(NAMES[1])
    assert other is not None, "the kill came after the end"
    worker, node = node_of(cluster, other)
    if node is cluster.head_node:
        os.kill(worker, signal.SIGKILL)
    else:
        cluster.remove_node(node, allow_graceful=False)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, (out, err)
    assert "Traceback" not in err
    assert "on Ray: 127.0.0.2, 127.0.0.3; 2 at once have room there" in out
    assert f"{NAMES[0]}: it was ended by SIGKILL; it goes on from its checkpoint at " in out
    assert f"{NAMES[1]}: its machine or Ray's worker there was lost" in out
    for name in NAMES:
        weights = [folder / RUNS / name / "checkpoints/step_6400/model.safetensors" for folder in (here, expected)]
        assert weights[0].read_bytes() == weights[1].read_bytes(), name
    results = [json.loads((folder / "fig/comparison.json").read_text())["runs"] for folder in (here, expected)]
    for ours, theirs in zip(*results, strict=True):
        assert ours["evaluation"] == theirs["evaluation"]
        assert ours["curve"] == theirs["curve"]
