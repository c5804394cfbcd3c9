"""An HTTP proxy that wants a user and a password, leads names of its choosing to this machine, and tells who asked."""
import base64
import socket
import threading

USER, PASSWORD = "ferry", "p@ss word"


class ConnectProxy:
    """Only CONNECT, as HTTPS through a proxy is. `hosts`: the names it knows; all of them are this machine."""

    def __init__(self, hosts):
        self.hosts, self.password, self.asked = set(hosts), PASSWORD, []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, password="p%40ss%20word"):
        return f"http://{USER}:{password}@127.0.0.1:{self.port}"

    def close(self):
        # Closing alone does not wake a thread that accepts.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            head = b""
            while b"\r\n\r\n" not in head and len(head) < 65536:
                got = client.recv(4096)
                if not got:
                    return
                head += got
            text, _, rest = head.partition(b"\r\n\r\n")
            line, *fields = text.decode().split("\r\n")
            method, target, _ = line.split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (f.partition(":") for f in fields)}
            self.asked.append((method, target, headers))
            status = self._judge(method, target, headers)
            if status != "200 Tunnel":
                client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
                return
            with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as far:
                client.sendall(b"HTTP/1.1 200 Tunnel\r\n\r\n")
                far.sendall(rest)
                back = threading.Thread(target=_copy, args=(far, client), daemon=True)
                back.start()
                _copy(client, far)
                back.join()

    def _judge(self, method, target, headers):
        pair = base64.b64encode(f"{USER}:{self.password}".encode()).decode()
        if headers.get("proxy-authorization") != f"Basic {pair}":
            return "407 Who are you\r\nProxy-Authenticate: Basic realm=\"proxy\""
        if method != "CONNECT":
            return "405 Only CONNECT"
        if target.rpartition(":")[0] not in self.hosts:
            return "403 Not there"
        return "200 Tunnel"


def _copy(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        pass
