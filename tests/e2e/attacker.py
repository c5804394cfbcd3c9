"""What a hostile caller needs: bytes as they are on the wire, and an address that is not loopback."""
import contextlib
import re
import socket

import pytest

import accounts
import wire


class Answers(list):
    """(status, head, body) of each answer that came, and whether the daemon then ended the connection."""

    closed = False

    @property
    def statuses(self):
        return [status for status, _, _ in self]


def ask(address, data, seconds=20.0, source=None):
    """Sends it all, says that it is done, and reads until the daemon closes (it does once it has answered)."""
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=seconds, source_address=source and (source, 0)) as s:
        with contextlib.suppress(OSError):  # it may have closed the door on the rest
            s.sendall(data)
            s.shutdown(socket.SHUT_WR)
        answers = read_answers(s)
    # Each honest request here carries one span.
    posts = len(re.findall(rb"POST /(?:v1/traces|api/2.0/otel/v1/traces)[ ?]", data))
    accounts.sent_to(f"127.0.0.1:{port}").acknowledged += min(posts, answers.statuses.count(200))
    return answers


def read_answers(s):
    got = b""
    answers = Answers()
    try:
        while piece := s.recv(65536):
            got += piece
        answers.closed = True
    except ConnectionResetError:
        answers.closed = True
    except TimeoutError:
        pass
    while got:
        head, _, rest = got.partition(b"\r\n\r\n")
        status = int(head.split()[1])
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        size = int(length.group(1)) if length else 0
        answers.append((status, head, rest[:size]))
        got = rest[size:]
    return answers


def get(path, *headers, method="GET", host="localhost"):
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode("latin-1")


def post(body, *headers, path="/v1/traces", content_type=wire.PROTOBUF, length=True):
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Type: {content_type}", *headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def span(name):
    """The body of a request with one span."""
    return wire.request([name]).SerializeToString()


def chunked(data, size=7):
    return b"".join(b"%x\r\n%s\r\n" % (len(data[i : i + size]), data[i : i + size]) for i in range(0, len(data), size))


def address_from_elsewhere():
    """This machine's own address: who calls from it is not on loopback, as a peer in the network is not."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))  # nothing is sent
            own = s.getsockname()[0]
        except OSError:
            own = "127.0.0.1"
    if own.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return own


@contextlib.contextmanager
def crowd(address, count, first_bytes, source=None):
    """Connections that send this and no more."""
    host, port = address.rsplit(":", 1)
    sockets = []
    try:
        for _ in range(count):
            sockets.append(socket.create_connection((host, int(port)), timeout=20, source_address=source and (source, 0)))
            sockets[-1].sendall(first_bytes)
        yield sockets
    finally:
        for s in sockets:
            s.close()


