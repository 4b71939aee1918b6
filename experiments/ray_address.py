"""The address of a Ray cluster's head, and whether it answers there; Ray itself would try for minutes to find out."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from rlmem.errors import RlmemError, UsageError

LOCAL = "local"
"""Stands for a Ray of our own on this machine."""

_PROBE_SECONDS = 5.0
_THIS_MACHINE = ("localhost", "127.0.0.1", "[::1]")
_CLOSED_CHANNEL = ("RAY_USE_TLS", "RAY_AUTH_MODE")  # set where a cluster does not talk to strangers


def head_address(ray: Any, given: str) -> str:
    """HOST:PORT of the head of a cluster that answers.

    Args:
        ray: the module.
        given: HOST:PORT, or `auto` for the cluster of RAY_ADDRESS, or else the last one that was started here.

    Raises:
        UsageError: it is no address of a cluster's head.
        RlmemError: no cluster answers there.
    """
    address = (os.environ.get("RAY_ADDRESS") or _recorded_address()) if given == "auto" else given
    if address is None:
        raise RlmemError(
            "--cluster auto: this machine is part of no Ray cluster; start one with ray start --head, or give its "
            "HOST:PORT"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise UsageError(
            f"--cluster {address} is no address of a Ray cluster's head; give HOST:PORT as ray start --head printed "
            "it, auto or local"
        )
    if host in _THIS_MACHINE:  # as Ray reads it
        host = ray.util.get_node_ip_address()
    if not is_serving(f"{host}:{port}"):
        raise RlmemError(
            f"--cluster {given}: no Ray cluster answers at {host}:{port} within {_PROBE_SECONDS:.0f} s; start it with "
            "ray start --head, or give the address that this printed"
        )
    return f"{host}:{port}"


def is_serving(address: str) -> bool:
    """Whether the head of a cluster says that it is well, by the question that gRPC has for that."""
    grpc = import_module("grpc")
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            if any(os.environ.get(name) for name in _CLOSED_CHANNEL):
                grpc.channel_ready_future(channel).result(timeout=_PROBE_SECONDS)
                return True
            is_well = channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=_PROBE_SECONDS)
            return bool(is_well == b"\x08\x01")  # SERVING
        except (grpc.RpcError, grpc.FutureTimeoutError):
            return False


def _recorded_address() -> str | None:
    """The cluster that was last started on this machine, where Ray writes it down."""
    folder = os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp"
    path = Path(folder) / "ray" / "ray_current_cluster"
    return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None
