"""What is broken, endless or hostile, as bytes at the doors of a daemon. Each input is one call; it takes any answer."""
import contextlib
import functools
import json
import random
import socket
import zlib

PROTOBUF, JSON = "application/x-protobuf", "application/json"


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + varint(len(payload)) + payload


def nested_json(depth=10_000):
    return b'{"resourceSpans": ' + b"[" * depth + b"]" * depth + b"}"


def nested_protobuf(depth=5_000):
    """A resource whose one attribute is an array in an array in an array."""
    value = b""
    for _ in range(depth):
        value = field(5, field(1, value))
    return field(1, field(1, field(1, field(1, b"k") + field(2, value))))


def dense_json(size):
    """Of all texts of this size the one with the most elements, which is what a parser's memory follows."""
    return b'{"resourceSpans":[],"x":[' + b"1," * ((size - 27) // 2) + b"1]}"


def large_json(size):
    """One attribute of that size."""
    value = {"key": "k", "value": {"stringValue": "x" * size}}
    return json.dumps({"resourceSpans": [{"resource": {"attributes": [value]}}]}).encode()


@functools.cache
def gzip_bomb(inflated_bytes):
    compress = zlib.compressobj(9, zlib.DEFLATED, 31)
    block, out = b"\0" * (1 << 20), []
    for _ in range(inflated_bytes >> 20):
        out.append(compress.compress(block))
    return b"".join(out) + compress.flush()


def request_head(length, content_type=PROTOBUF, more=b""):
    return (b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
            % (content_type.encode(), length, more))


def exchange(address, data, timeout=60):
    """Sends that, and reads the first of an answer; empty where the daemon just hung up."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as s:
        with contextlib.suppress(OSError):  # it may close the door on the rest
            s.sendall(data)
        with contextlib.suppress(OSError):
            return s.recv(4096)
    return b""


def post(address, body, content_type=PROTOBUF, more=b""):
    return exchange(address, request_head(len(body), content_type, more) + body)


def endless_header(address, lines=10_000):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as s, contextlib.suppress(OSError):
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        for i in range(lines):
            s.sendall(b"X-%d: %s\r\n" % (i, b"y" * 100))


def endless_body(address, most=256 << 20):
    """Chunks without a last one."""
    host, port = address.split(":")
    chunk = b"100000\r\n" + b"\x00" * (1 << 20) + b"\r\n"
    with socket.create_connection((host, int(port)), timeout=60) as s, contextlib.suppress(OSError):
        s.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-protobuf\r\n"
                  b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(most >> 20):
            s.sendall(chunk)


def random_datagrams(port, count=20_000, seed=2):
    dice = random.Random(seed)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        for _ in range(count):
            s.sendto(dice.randbytes(dice.randint(0, 300)), ("127.0.0.1", port))


@contextlib.contextmanager
def idle_connections(address, count):
    host, port = address.split(":")
    with contextlib.ExitStack() as all_of_them:
        for _ in range(count):
            all_of_them.enter_context(socket.create_connection((host, int(port)), timeout=60))
        yield


# Span { trace_id of 2 bytes, span_id }, in its request.
SHORT_ID = field(1, field(2, field(2, field(1, b"\x01\x02") + field(2, b"01234567"))))
TRUNCATED = field(1, field(2, field(2, field(1, b"0123456789abcdef") + field(2, b"01234567"))))[:-3]
TWO_LENGTHS = b"POST /v1/traces HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"


def every_input(bomb_bytes=10 << 30):
    """name → call(address, udp port). Made once: what a bomb costs its maker is not to be measured."""
    bomb, noise, big, dense = gzip_bomb(bomb_bytes), random.Random(1).randbytes(5000), large_json(63 << 20), dense_json(63 << 20)
    nested, nested_wire = nested_json(), nested_protobuf()
    return {
        "empty": lambda a, _: post(a, b""),
        "random bytes": lambda a, _: post(a, noise),
        "truncated": lambda a, _: post(a, TRUNCATED),
        "JSON 10,000 deep": lambda a, _: post(a, nested, JSON),
        "protobuf 10,000 deep": lambda a, _: post(a, nested_wire),
        f"gzip of {bomb_bytes >> 30} GiB": lambda a, _: post(a, bomb, more=b"Content-Encoding: gzip\r\n"),
        "JSON of 64 MiB": lambda a, _: post(a, big, JSON),
        "JSON of 64 MiB, dense": lambda a, _: post(a, dense, JSON),
        "ids of wrong length": lambda a, _: post(a, SHORT_ID),
        "header without end": lambda a, _: endless_header(a),
        "body without end": lambda a, _: endless_body(a),
        "two lengths": lambda a, _: exchange(a, TWO_LENGTHS),
        "20,000 random datagrams": lambda _, port: random_datagrams(port),
    }
