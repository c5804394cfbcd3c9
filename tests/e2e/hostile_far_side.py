"""A destination that says exactly what a test wants it to, byte for byte, and remembers what it was sent."""
import re
import socket
import threading


class HostileFarSide:
    """answer(head, body) -> the bytes of an answer, or an iterator of pieces; then the connection is closed."""

    def __init__(self, answer):
        self.answer = answer
        self.requests = []  # (head, body)
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(s,), daemon=True).start()

    def _serve(self, s):
        with s:
            try:
                head, body = self._read(s)
                with self.lock:
                    self.requests.append((head, body))
                answer = self.answer(head, body)
                for piece in [answer] if isinstance(answer, bytes) else answer:
                    s.sendall(piece)
            except OSError:
                pass  # the daemon has had enough

    @staticmethod
    def _read(s):
        got = b""
        while b"\r\n\r\n" not in got:
            piece = s.recv(65536)
            if not piece:
                raise ConnectionResetError
            got += piece
        head, _, body = got.partition(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", head)
        while len(body) < (int(length.group(1)) if length else 0):
            piece = s.recv(65536)
            if not piece:
                raise ConnectionResetError
            body += piece
        return head, body


def answer(status, body=b"", *headers):
    lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
