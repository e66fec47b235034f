"""Ports for processes that meet on this machine."""

import random
import socket

RANGE = range(12_000, 20_000)
"""Below the ports of outgoing connections, and below those that the benchmark selects by itself."""


def free_port() -> int:
    """Return a port of the loopback address that no program listens on.

    A port that the kernel selects could be taken by any connection before its process listens.
    """
    for port in random.SystemRandom().sample(RANGE, 50):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port
    raise OSError(f"50 ports between {RANGE[0]} and {RANGE[-1]} are taken")
