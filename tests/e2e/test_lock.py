"""A second daemon on the directory (a rolling update) waits for the first to leave; so does nobody for ever."""
import subprocess
import threading

import pytest

import wire
from daemon import BINARY
from waiting import wait_until


def otlp(sink):
    return {"name": "backend", "kind": "otlp", "url": sink.url}


def test_the_next_daemon_waits_for_the_one_before_and_takes_over(daemon, otlp_sink):
    first = daemon(destinations=[otlp(otlp_sink)], drain={"timeout": "200ms"})
    request = wire.request(["handed over"])
    otlp_sink.status = 503
    assert first.post(request.SerializeToString())[0] == 200
    second = daemon(destinations=[otlp(otlp_sink)], spool_directory=first.spool, start=False)
    second.sent = first.sent  # one spool, one account
    starting = threading.Thread(target=second.start)
    starting.start()
    wait_until(lambda: f"in use by process {first.process.pid}: waiting up to 30 s" in second.log(),
               lambda: second.log())
    otlp_sink.status = None
    first.terminate()
    assert first.process.wait(20) == 0
    starting.join(60)
    second.wait_until_settled("backend")
    assert set(otlp_sink.ids()) == wire.ids_of(request)


def test_a_daemon_that_waits_can_be_told_to_stop(daemon, otlp_sink):
    first = daemon(destinations=[otlp(otlp_sink)])
    second = daemon(destinations=[otlp(otlp_sink)], spool_directory=first.spool, start=False)
    second.write_config()
    with open(second.directory / "log", "wb") as log:
        waiting = subprocess.Popen([BINARY, "run", "--config", second.directory / "spanferry.yaml"], env=second.env, stderr=log)
    wait_until(lambda: "waiting up to 30 s" in second.log(), lambda: second.log())
    waiting.terminate()
    assert waiting.wait(10) == 0
    assert f"told to stop while process {first.process.pid} has the spool" in second.log()


def test_it_says_who_has_the_directory_when_it_gives_up(daemon, otlp_sink, soak):
    if not soak:
        pytest.skip("it waits for 30 s")
    first = daemon(destinations=[otlp(otlp_sink)])
    second = daemon(destinations=[otlp(otlp_sink)], spool_directory=first.spool, start=False)
    second.write_config()
    gave_up = subprocess.run([BINARY, "run", "--config", second.directory / "spanferry.yaml"], env=second.env,
                             capture_output=True, text=True, timeout=60)
    assert gave_up.returncode == 1
    assert f"cannot start: spool: the spool is in use by process {first.process.pid}" in gave_up.stderr
    assert "another spool.directory" in gave_up.stderr
