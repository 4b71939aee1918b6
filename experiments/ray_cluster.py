"""Joining a Ray cluster: which of its machines can take runs, and do they all see the folder of runs.

Everything is found out before the first run starts. Ray is imported on use, sends no usage statistics from here, and
shows no dashboard.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError
from rlmem.experiments.ray_address import LOCAL, head_address

_CHECK_SECONDS = 60.0  # for a machine to start a worker and to look into the folder
_TOKEN_FILE = ".shared"
_PACKAGES = ("rlmem", "torch")


@dataclass(frozen=True)
class Premise:
    """What a machine must have to take a run.

    Args:
        folder: of the runs, absolute.
        token: what a file in it holds, for others to see that it is the same folder.
        versions: of packages that runs depend on.
    """

    folder: Path
    token: str
    versions: dict[str, str]

    def missing_here(self) -> str | None:
        """What this machine lacks, with what to do about it; None: nothing."""
        path = self.folder / _TOKEN_FILE
        if not path.is_file() or path.read_text(encoding="utf-8") != self.token:
            return (
                f"it does not see the folder of runs {self.folder}; choose one with --output that all machines share "
                "under the same path"
            )
        if not os.access(self.folder, os.W_OK):
            return f"it may not write to the folder of runs {self.folder}; let it, or choose another with --output"
        for package, wanted in self.versions.items():
            if version(package) != wanted:
                return f"it has {package} {version(package)}, and here is {wanted}; install the same version on both"
        return None


@dataclass(frozen=True)
class Cluster:
    """A cluster that was joined.

    Args:
        ray: the module.
        premise: of every run.
        machines: addresses of those that can take runs.
        places: how many runs they can take at once.
    """

    ray: Any
    premise: Premise
    machines: Sequence[str]
    places: int

    @property
    def summary(self) -> str:
        """For people, in a line."""
        return f"on Ray: {', '.join(self.machines)}; {self.places} at once have room there"


@contextmanager
def joined_cluster(address: str, folder: Path, threads: int, gpus: int) -> Iterator[Cluster]:
    """Join a cluster, and leave it at the end.

    Args:
        address: HOST:PORT of its head, `auto`, or `local` for one of our own, see `head_address`.
        folder: of the runs; it is there.
        threads: cores that each run takes.
        gpus: GPUs that each run takes.

    Raises:
        UsageError: Ray is not installed, the address cannot be, or no machine has so many cores and GPUs.
        RlmemError: there is no cluster at the address, or one of its machines cannot take runs.
    """
    ray = _import_ray()
    handler = signal.getsignal(signal.SIGTERM)
    premise = Premise(folder.resolve(), secrets.token_hex(16), {package: version(package) for package in _PACKAGES})
    token_file = folder / _TOKEN_FILE
    try:
        _join(ray, address)
        token_file.write_text(premise.token, encoding="utf-8")
        nodes = [node for node in ray.nodes() if node["Alive"] and _places(node, threads, gpus)]
        if not nodes:
            needed = f"{threads} CPU cores" + (f" and {gpus} GPU" if gpus else "")
            raise UsageError(f"--cluster {address}: no machine of it has the {needed} that a run takes; add one")
        _check_machines(ray, premise, nodes)
        machines = sorted(node["NodeManagerAddress"] for node in nodes)
        yield Cluster(ray, premise, machines, sum(_places(node, threads, gpus) for node in nodes))
    finally:
        token_file.unlink(missing_ok=True)
        ray.shutdown()
        signal.signal(signal.SIGTERM, handler)  # Ray takes it over


def last_line(error: Exception) -> str:
    """What an error of Ray's comes down to: the end of the traceback that it carries."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _join(ray: Any, address: str) -> None:
    options = {"include_dashboard": False} if address == LOCAL else {}
    head = LOCAL if address == LOCAL else head_address(ray, address)
    try:
        ray.init(head, log_to_driver=False, logging_level="ERROR", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise RlmemError(f"--cluster {address}: the cluster cannot be joined: {reason}") from error


def _check_machines(ray: Any, premise: Premise, nodes: Sequence[dict[str, Any]]) -> None:
    """Let every machine look whether it can take runs.

    Raises:
        RlmemError: one cannot.
    """
    near = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    ask = ray.remote(num_cpus=0)(Premise.missing_here)
    answers = [ask.options(scheduling_strategy=near(node["NodeID"], soft=False)).remote(premise) for node in nodes]
    for node, answer in zip(nodes, answers, strict=True):
        try:
            missing = ray.get(answer, timeout=_CHECK_SECONDS)
        except ray.exceptions.RayError as error:  # rlmem is not installed there, or the machine does not answer
            missing = f"{last_line(error)}; install rlmem in the Python that Ray runs there"
        if missing is not None:
            raise RlmemError(f"the machine {node['NodeManagerAddress']} of the cluster cannot take runs: {missing}")


def _places(node: dict[str, Any], threads: int, gpus: int) -> int:
    """How many runs a machine can take at once."""
    resources = node["Resources"]
    places = int(resources.get("CPU", 0)) // threads
    return min(places, int(resources.get("GPU", 0)) // gpus) if gpus else places


def _import_ray() -> Any:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        return import_module("ray")
    except ImportError as error:
        raise UsageError(
            "--cluster needs Ray, which is not installed: pip install 'rlmem[ray]', or leave --cluster out to use "
            "processes of this machine"
        ) from error
