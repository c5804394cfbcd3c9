"""Waiting for a condition, never for a time."""
import pathlib
import secrets
import socket
import time

LOWEST_PORT = 10_000


def wait_until(condition, what, seconds=30.0, every=0.02):
    """The first true value of `condition()`; an AssertionError that says what did not come."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what() if callable(what) else what}")
        time.sleep(every)


def free_port(kind=socket.SOCK_STREAM):
    """For a server that cannot be given port 0. Below the range that the kernel takes ports from by itself: there, a
    connection of anybody's could be given this one before the server has it."""
    for _ in range(1000):
        with socket.socket(socket.AF_INET, kind) as s:
            port = secrets.choice(range(LOWEST_PORT, _first_of_the_kernel()))
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def _first_of_the_kernel():
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    return first if first > LOWEST_PORT + 4096 else 65536
