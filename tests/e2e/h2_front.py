"""nghttpx before a server of this machine: TLS with HTTP/2, client certificates where wanted."""
import os
import signal
import socket
import subprocess

from waiting import free_port, wait_until


class Http2Front:
    """Tells what it was asked in its log, a line a request: METHOD PATH PROTOCOL STATUS CONNECTION-PORT."""

    def __init__(self, directory, backend_port, certificate, clients_of=None, options=()):
        self.port, self._log = free_port(), directory / "nghttpx.access"
        key, chain = directory / "front.key", directory / "front.pem"
        certificate.private_key_pem.write_to_path(key)
        chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        arguments = [
            # Its package's configuration would add a port that all of them want, and a backend that nobody is.
            "nghttpx", "--conf=/dev/null", "--no-ocsp", "--no-location-rewrite", "--no-host-rewrite",
            f"--frontend=127.0.0.1,{self.port}", f"--backend=127.0.0.1,{backend_port}", f"--accesslog-file={self._log}",
            "--workers=1", "--accesslog-format=$method $path $protocol_version $status $remote_port", *options,
        ]
        if clients_of is not None:
            authority = directory / "clients.pem"
            clients_of.cert_pem.write_to_path(authority)
            arguments += ["--verify-client", f"--verify-client-cacert={authority}"]
        self._command, self._told = [*arguments, str(key), str(chain)], directory / "nghttpx.log"
        self.start()

    def start(self):
        with open(self._told, "ab") as log:
            # It has a process that works and one that watches it: a group, so that both can be killed.
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, start_new_session=True)
        wait_until(self._accepts, lambda: f"nghttpx that listens\n{self._told.read_text()}")

    def kill(self):
        """With what is under way; its port stays known, so that it can start again."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)

    def _accepts(self):
        assert self._process.poll() is None, f"nghttpx has ended\n{self._told.read_text()}"
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def requests(self):
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [dict(zip(("method", "path", "protocol", "status", "port"), line.split(" "))) for line in lines]

    def close(self):
        self.kill()
