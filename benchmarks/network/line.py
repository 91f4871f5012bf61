"""Two network namespaces and the line between them, whose round trip can be set.

The kernel's own way, netem, is not everywhere. ``delay.c`` says how it is done here. Without a
delay, clients run beside the servers and use the loopback device.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Self

HERE = Path(__file__).parent
TOOL = HERE.parents[1] / "tools" / "system-packages"
FAR, LOCAL = "10.77.0.1", "127.0.0.1"


class NoLine(Exception):
    """This machine does not let such a line be made."""


class Line:
    """The line, from entering a ``with`` block until leaving it.

    Attributes
    ----------
    server : list of str
        What a command begins with that is to run where the servers are.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="fascicle-line-")
        self.server: list[str] = []
        self._near: list[str] = []

    def __enter__(self) -> Self:
        binary = Path(self._folder.name) / "delay"
        try:
            _run([str(TOOL), "cc"])
            _run(["cc", "-O2", "-o", str(binary), str(HERE / "delay.c")])
            self._process = subprocess.Popen(
                [str(binary)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                bufsize=1,
            )
            assert self._process.stdout is not None
            words = self._process.stdout.readline().split()
            if words[:1] != ["ready"]:
                assert self._process.stderr is not None
                raise NoLine(self._process.stderr.read().strip() or "delay ended")
            self.server, self._near = (self._enter(pid) for pid in words[1:])
            _run([*self._near, "true"])
        except (OSError, NoLine):
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
                if stream is not None:
                    stream.close()
            self._process.wait()
            self._process = None
        self._folder.cleanup()

    def client(self, round_trip: float) -> list[str]:
        """Set the round trip in milliseconds; return what a client's command begins with."""
        if not round_trip:
            return self.server
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{round(1000 * round_trip)}\n")
        if self._process.stdout.readline() != "ok\n":
            raise NoLine("the line ended")
        return self._near

    @staticmethod
    def _enter(pid: str) -> list[str]:
        user = (
            []
            if _same(f"/proc/{pid}/ns/user", "/proc/self/ns/user")
            else ["-U", "--preserve-credentials"]
        )
        return ["nsenter", "-t", pid, "-n", *user, "--"]

    def connecting(self, round_trip: float, port: int) -> float:
        """Measure how long a TCP connection takes to be made, in milliseconds: the median of 5."""
        code = (
            "import socket, statistics, sys, time\n"
            "def once():\n"
            "    start = time.perf_counter()\n"
            "    socket.create_connection((sys.argv[1], int(sys.argv[2]))).close()\n"
            "    return 1000 * (time.perf_counter() - start)\n"
            "print(statistics.median(once() for _ in range(5)))"
        )
        address = FAR if round_trip else LOCAL
        command = [*self.client(round_trip), sys.executable, "-c", code, address, str(port)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def congestion_control() -> str:
    """Return what new connections use against congestion."""
    try:
        return Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    except OSError:
        return "unknown"


def _same(a: str, b: str) -> bool:
    return os.readlink(a) == os.readlink(b)


def _run(command: list[str]) -> None:
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode:
        raise NoLine(f"{command[0]}: {(run.stderr or run.stdout).strip()[-300:]}")
