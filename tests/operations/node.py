"""A node of its own for a test, or three behind nginx: CHORUS_BIN, else the debug binary."""

import contextlib
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ask(url):
    """What an address answers, once it does."""
    last = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > last:
                raise
            time.sleep(0.05)


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def program():
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target")
    return pathlib.Path(os.environ.get("CHORUS_BIN") or target / "debug/chorus")


@contextlib.contextmanager
def running(**settings):
    """A node that is ready: the addresses of the chat and of the operator's port, and its folder."""
    with tempfile.TemporaryDirectory() as place:
        port, metrics = free_ports(2)
        given = {"PORT": port, "METRICS_PORT": metrics, "DATA_DIR": place, "LOG_LEVEL": "error", **settings}
        environment = {**os.environ, **{name: str(value) for name, value in given.items()}}
        node = subprocess.Popen([program()], env=environment, cwd=place, stdout=subprocess.DEVNULL)
        try:
            chat = f"http://127.0.0.1:{port}"
            ask(f"{chat}/ready")
            yield chat, f"http://127.0.0.1:{metrics}", pathlib.Path(place)
        finally:
            node.terminate()
            node.wait(30)


@contextlib.contextmanager
def running_cluster(**settings):
    """Three nodes on PostgreSQL and Redis behind nginx, by `./scripts/cluster`: the address of nginx."""
    given = {"LOG_LEVEL": "error", "CHORUS_BIN": program(), **settings}
    environment = {**os.environ, **{name: str(value) for name, value in given.items()}}
    with subprocess.Popen([ROOT / "scripts/cluster", "3"], env=environment, stdout=subprocess.PIPE, text=True) as script:
        try:
            told = {}
            for line in script.stdout:
                name, _, address = line.strip().partition(" ")
                told[name] = address
                if name == "ready":
                    break
            yield told["gateway"]
        finally:
            script.terminate()
