"""A real MLflow server on SQLite, slow to start: one for all tests of a module."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import urllib.request

import outage
from waiting import free_port, wait_until


# The server refuses requests under any other name.
HOSTS = f"127.0.0.1:*,localhost:*,{outage.NAME}:*"
ADMIN, ADMIN_PASSWORD = "admin", "planted-admin-password"
_databases = {}  # by address


def count_spans(url):
    """What the server at this address holds, by its database; of a file store, by the files of its traces."""
    if not _databases[url].endswith(".db"):
        return sum(len(json.loads(file.read_text())["spans"]) for file in pathlib.Path(_databases[url]).rglob("traces.json"))
    with contextlib.closing(sqlite3.connect(f"file:{_databases[url]}?mode=ro", uri=True, timeout=30)) as database:
        return database.execute("SELECT count(*) FROM spans").fetchone()[0]


@contextlib.contextmanager
def serve(with_users=False, file_store=False):
    """Its address. file_store: it keeps what it has in files, and takes no spans by OTLP. It counts costs by the price list it brings: there is no newer one to be had here. with_users: it
    wants a user name and a password (those of ADMIN, at first), and lets a user see but not change what is another's."""
    directory, port = tempfile.mkdtemp(prefix="spanferry-mlflow-"), free_port()
    url = f"http://127.0.0.1:{port}"
    _databases[url] = f"{directory}/artifacts" if file_store else f"{directory}/mlflow.db"
    store = f"{directory}/store" if file_store else f"sqlite:///{directory}/mlflow.db"
    log = open(f"{directory}/log", "w+")
    arguments, more = [], {"MLFLOW_MODEL_CATALOG_URI": "", "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SERVER_ALLOWED_HOSTS": HOSTS}
    if with_users:
        with open(f"{directory}/auth.ini", "w") as file:
            file.write(f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{directory}/auth.db\n"
                       f"admin_username = {ADMIN}\nadmin_password = {ADMIN_PASSWORD}\n"
                       "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n")
        arguments = ["--app-name", "basic-auth"]
        more |= {"MLFLOW_AUTH_CONFIG_PATH": f"{directory}/auth.ini", "MLFLOW_FLASK_SERVER_SECRET_KEY": "any"}
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
         "--backend-store-uri", store, "--artifacts-destination", f"{directory}/artifacts",
         *arguments],
        stdout=log, stderr=log, start_new_session=True, cwd=directory, env=os.environ | more,
    )

    def healthy():
        assert process.poll() is None, open(f"{directory}/log").read()[-2000:]
        try:
            return urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
        except OSError:
            return False

    try:
        wait_until(healthy, "a healthy mlflow server", 300, every=0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()
        shutil.rmtree(directory, ignore_errors=True)
