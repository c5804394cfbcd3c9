"""A TCP proxy that stands before a server and breaks on demand."""
import collections
import contextlib
import re
import socket
import threading
import time

from waiting import free_port

REQUEST_LINE = re.compile(rb"([A-Z]+ \S+) HTTP/1\.1\r\n")
MODES = ("pass", "refuse", "black_hole", "never_answer", "unavailable", "cut_answer", "delay")
UNAVAILABLE = (b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
               b"Connection: close\r\n\r\n{}")


class FaultProxy:
    """pass: bytes go through. refuse: nobody listens. black_hole: connections sit in the kernel, nothing is read.
    never_answer: the request is read and thrown away. unavailable: it is answered 503. cut_answer: the far side gets the request, its answer is cut
    after `cut_bytes`. delay: every answer comes `delay_s` late."""

    def __init__(self, target_port):
        self.target_port, self.port = target_port, free_port()
        self.mode, self.cut_bytes, self.delay_s = "pass", 20, 0.2
        self.connections = 0
        self.requests = collections.deque(maxlen=10_000)  # "METHOD target", of those whose head comes in one piece
        self.listener, self.open_sockets = None, set()
        self.lock, self.changed = threading.Lock(), threading.Condition()
        self.closing = False
        self._listen()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def set(self, mode, **options):
        assert mode in MODES
        for name, value in options.items():
            setattr(self, name, value)
        with self.changed:
            before, self.mode = self.mode, mode
            self.changed.notify_all()
        if mode == "refuse":
            self._stop_listening()
        elif before == "refuse":
            self._listen()
        if mode in ("refuse", "never_answer", "unavailable", "cut_answer") or before in ("never_answer", "unavailable", "black_hole"):
            self.cut()

    def cut(self):
        """Breaks every connection that is open now."""
        with self.lock:
            for s in self.open_sockets:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.closing = True
        self.set("refuse")

    def _listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _stop_listening(self):
        if self.listener:
            with contextlib.suppress(OSError):
                self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None

    def _leave_black_hole(self):
        with self.changed:
            self.changed.wait_for(lambda: self.mode != "black_hole" or self.closing)

    def _accept(self, listener):
        while True:
            self._leave_black_hole()
            try:
                near, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _answer_503(self, near):
        """Whatever is asked, once it has come."""
        with near, contextlib.suppress(OSError, ValueError):
            near.settimeout(10)
            request = near.makefile("rb")
            length = 0
            while (line := request.readline().strip()):
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            request.read(length)
            near.sendall(UNAVAILABLE)

    def _serve(self, near):
        if self.mode == "unavailable":
            return self._answer_503(near)
        try:
            far = socket.create_connection(("127.0.0.1", self.target_port), timeout=10)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self.lock:
            self.open_sockets |= {near, far}
        back = threading.Thread(target=self._pump, args=(far, near, True), daemon=True)
        back.start()
        self._pump(near, far, False)
        back.join()
        with self.lock:
            self.open_sockets -= {near, far}
        near.close()
        far.close()

    def _pump(self, source, sink, answers):
        answered = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._leave_black_hole()
                mode = self.mode
                if mode == "never_answer":
                    continue
                if answers and mode == "delay":
                    time.sleep(self.delay_s)
                if answers and mode == "cut_answer":
                    data = data[: max(self.cut_bytes - answered, 0)]
                    sink.sendall(data)
                    break
                if not answers and (line := REQUEST_LINE.match(data)):
                    self.requests.append(line[1].decode())
                sink.sendall(data)
                answered += len(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
