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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from rlmem.experiments import ray_address
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
    "--num-minibatches 2 --log-interval 640 --checkpoint-interval 320 --eval-interval 0"
)


def words(*more: str) -> list[str]:
    given = "--kinds expire_span:6 --seeds 1 2 --total-timesteps 3200 --episodes 4 --out fig"
    return ["compare", "corridor", *given.split(), *more, "--", *FLAGS.split()]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two nodes of one core each, on addresses that lead nowhere else; it is kept from the machine's own Ray."""
    from ray.cluster_utils import Cluster

    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # a socket's path is short
    head = {"num_cpus": 1, "include_dashboard": False, "node_ip_address": "127.0.0.2", "temp_dir": folder}
    (Path(folder) / "ray").mkdir()  # where Ray would note the address if this cluster were the machine's own
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_TMPDIR", folder)
        made: Any = Cluster(initialize_head=True, head_node_args={**head, "object_store_memory": 80_000_000})
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


def halt(name: str, process: subprocess.Popen[str]) -> int:
    """The process of a run that has saved and has not ended, halted, so that what is done to it comes in time."""
    wait_for(lambda: any((RUNS / name / "checkpoints").glob("step_*")), process)
    halted = process_of(name)
    assert halted is not None, "the run ended before it could be halted"
    os.kill(halted, signal.SIGSTOP)
    return halted


def parent_of(process: int) -> int:
    words = ["ps", "-o", "ppid=", "-p", str(process)]
    return int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)


def lose_machine_of(process: int, cluster: Any) -> None:
    """Take a node from the cluster without warning; of the head only the worker, without which there is no cluster."""
    worker = parent_of(process)
    raylet = parent_of(worker)
    (node,) = [one for one in cluster.list_all_nodes() if one.all_processes["raylet"][0].process.pid == raylet]
    if node is cluster.head_node:
        os.kill(worker, signal.SIGKILL)
    else:
        cluster.remove_node(node, allow_graceful=False)


def test_runs_whose_process_or_machine_is_lost_end_as_if_it_were_not(
    here: Path, cluster: Any, expected: Path, rlmem_process: Start
) -> None:
    process = rlmem_process(*words("--cluster", cluster.address))
    halted = [halt(name, process) for name in NAMES]
    assert len({parent_of(parent_of(one)) for one in halted}) == 2, "not spread over both nodes"
    os.kill(halted[0], signal.SIGKILL)
    lose_machine_of(halted[1], cluster)
    os.kill(halted[1], signal.SIGCONT)  # its parent is gone: it saves and stops, and the next process waits for it
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, (out, err)
    assert "Traceback" not in err
    assert "on Ray: 127.0.0.2, 127.0.0.3; 2 at once have room there" in out
    assert f"{NAMES[0]}: it was ended by SIGKILL; it goes on from its checkpoint at " in out
    assert f"{NAMES[1]}: its machine or Ray's worker there was lost" in out
    for name in NAMES:
        weights = [folder / RUNS / name / "checkpoints/step_3200/model.safetensors" for folder in (here, expected)]
        assert weights[0].read_bytes() == weights[1].read_bytes(), name
    results = [json.loads((folder / "fig/comparison.json").read_text())["runs"] for folder in (here, expected)]
    for ours, theirs in zip(*results, strict=True):
        assert ours["evaluation"] == theirs["evaluation"]
        assert ours["curve"] == theirs["curve"]


@pytest.mark.parametrize(
    ("address", "code", "part"),
    [
        ("127.0.0.1:1", 1, "--cluster 127.0.0.1:1: no Ray cluster answers at "),
        ("127.0.0.2:{silent}", 1, "no Ray cluster answers at 127.0.0.2:{silent} within 1 s; start it with ray start"),
        ("nonsense", 2, "--cluster nonsense is no address of a Ray cluster's head; give HOST:PORT"),
        ("ray://127.0.0.2:10001", 2, "is no address of a Ray cluster's head"),
        ("auto", 1, "--cluster auto: this machine is part of no Ray cluster; start one with ray start --head"),
    ],
)
def test_addresses_at_which_no_cluster_answers(
    rlmem: Command, monkeypatch: pytest.MonkeyPatch, address: str, code: int, part: str
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(Path.cwd()))
    monkeypatch.setattr(ray_address, "_PROBE_SECONDS", 1.0)
    with socket.create_server(("127.0.0.2", 0)) as server:  # takes connections and says nothing
        silent = server.getsockname()[1]
        finished = rlmem(*words("--cluster", address.format(silent=silent)))
    assert finished.code == code, finished
    assert part.format(silent=silent) in finished.err
    assert len(finished.err.splitlines()) == 1, finished.err


def test_a_cluster_that_was_and_is_no_more(rlmem: Command, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(here))
    (here / "ray").mkdir()
    (here / "ray" / "ray_current_cluster").write_text("127.0.0.2:1")
    finished = rlmem(*words("--cluster", "auto"))
    assert finished.code == 1, finished
    assert "--cluster auto: no Ray cluster answers at 127.0.0.2:1 within 5 s" in finished.err


def test_runs_that_have_no_room(rlmem: Command, cluster: Any) -> None:
    finished = rlmem(*words("--cluster", cluster.address), "--num-threads", "2")
    assert finished.code == 2, finished
    assert "no machine of it has the 2 CPU cores that a run takes; add one" in finished.err


def test_a_machine_that_lacks_what_runs_need(tmp_path: Path) -> None:
    premise = Premise(tmp_path, "token", {"torch": version("torch")})
    assert "it does not see the folder of runs" in str(premise.missing_here())
    (tmp_path / ".shared").write_text("another")
    assert "choose one with --output that all machines share" in str(premise.missing_here())
    (tmp_path / ".shared").write_text("token")
    assert premise.missing_here() is None
    assert f"it has torch {version('torch')}, and here is 1.0" in str(
        replace(premise, versions={"torch": "1.0"}).missing_here()
    )


def test_a_machine_that_does_not_see_the_runs_is_named(
    rlmem: Command, cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What is read back as text differs from it: it stands for a folder that is another one there.
    monkeypatch.setattr("rlmem.experiments.ray_cluster.secrets.token_hex", lambda _: "\r")
    finished = rlmem(*words("--cluster", cluster.address))
    assert finished.code == 1, finished
    assert "of the cluster cannot take runs: it does not see the folder of runs" in finished.err
    assert "Traceback" not in finished.err
