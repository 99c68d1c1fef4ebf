"""Processor time of process trees, and messages published to RabbitMQ."""

import subprocess
from collections.abc import Mapping

import psutil

ANSWER_TIMEOUT_S = 20.0
PUBLISHED = (
    "maps:get(messages_received_total, maps:get([{protocol,amqp091}], rabbit_global_counters:overview()))."
)


def cpu_of_tree(pid: int) -> float:
    """Seconds of a process and its descendants, also of those that have ended; 0 when it is gone."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(_cpu(process, with_ended=True) for process in family)


def cpu_of_process(pid: int) -> float:
    """Seconds of one process alone; 0 when it is gone."""
    try:
        return _cpu(psutil.Process(pid), with_ended=False)
    except psutil.NoSuchProcess:
        return 0.0


def cpu_of_rabbitmq(port: int) -> float | None:
    """Seconds of the RabbitMQ node of this machine that listens on ``port``; None without one.

    Of all nodes, where this account may not see who listens.
    """
    nodes = [process for process in psutil.process_iter(["name"]) if process.info["name"] == "beam.smp"]
    listening = [node for node in nodes if _listens(node, port)] or nodes
    return sum(_cpu(process, with_ended=True) for process in listening) if listening else None


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return any(
            found.status == psutil.CONN_LISTEN and found.laddr.port == port
            for found in process.net_connections(kind="tcp")
        )
    except psutil.Error:
        return False


def published() -> int | None:
    """Messages that clients have published to the RabbitMQ node of this machine since its start.

    None where ``rabbitmqctl`` is missing, or not allowed.
    """
    try:
        done = subprocess.run(
            ["rabbitmqctl", "-q", "eval", PUBLISHED], capture_output=True, text=True, timeout=ANSWER_TIMEOUT_S
        )
        return int(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """Seconds between two readings, by name, without those that spent nothing."""
    found = {name: seconds - before.get(name, 0.0) for name, seconds in after.items()}
    return {name: seconds for name, seconds in found.items() if seconds > 0}


def _cpu(process: psutil.Process, *, with_ended: bool) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = times.children_user + times.children_system if with_ended else 0.0
    return float(times.user + times.system + ended)
