"""A running daemon takes over a changed configuration; one that is not valid changes nothing."""
import signal
import socket

import pytest

import wire
from waiting import wait_until


def otlp(name, sink, **more):
    return {"name": name, "kind": "otlp", "url": sink.url, **more}


def send(d, *names):
    assert d.post(wire.request(list(names)).SerializeToString())[0] == 200


def names_at(sink):
    return sorted(span.name for _, _, span in sink.received)


@pytest.fixture
def quick(daemon):
    """Daemons that stop without waiting for senders to be quiet."""
    return lambda **settings: daemon(drain={"timeout": "200ms"}, **settings)


def reload(d, change, signalled=True):
    """Writes what `change` made of the configuration, and waits until it was read; by itself, or told to."""
    before = d.log().count("the configuration was read again")
    change(d.config)
    d.write_config()
    if signalled:
        d.process.send_signal(signal.SIGHUP)
    wait_until(
        lambda: d.log().count("the configuration was read again") > before,
        lambda: f"a line that the configuration was read again\n{d.log_tail()}",
    )


def test_a_destination_is_added_while_others_go_on(quick, otlp_sink, second_sink):
    d = quick(destinations=[otlp("one", otlp_sink)])
    send(d, "before")
    d.wait_until_settled("one")
    reload(d, lambda c: c["destinations"].append(otlp("two", second_sink)), signalled=False)
    send(d, "after")
    d.wait_until_settled("one")
    d.wait_until_settled("two")
    assert names_at(otlp_sink) == ["after", "before"]
    assert names_at(second_sink) == ["after"], "a destination added starts with what comes"


def test_a_destination_added_may_start_at_the_oldest_span(quick, otlp_sink, second_sink):
    d = quick(destinations=[otlp("one", otlp_sink)])
    send(d, "before")
    d.wait_until_settled("one")
    reload(d, lambda c: c["destinations"].append(otlp("two", second_sink, **{"from": "oldest"})))
    d.wait_until_settled("two")
    assert names_at(second_sink) == ["before"], "what the spool still holds"


def test_a_removed_destination_is_told_until_it_is_forgotten(quick, otlp_sink, load_sink):
    d = quick(destinations=[otlp("stays", otlp_sink), otlp("goes", load_sink)])
    load_sink.set("status")
    send(d, "one", "two")
    d.wait_until_settled("stays")
    reload(d, lambda c: c["destinations"].pop())
    send(d, "three")
    d.wait_until_settled("stays")
    assert [x["name"] for x in d.status()["destinations"]] == ["stays"]
    assert d.status()["removed_destinations"] == [{"name": "goes", "pending_spans": 2, "dead_letters": 0}]
    assert "removed   destination goes with 2 spans pending" in d.run("status").stdout
    assert d.run("spool", "forget", "stays", check=False).returncode == 1
    d.run("spool", "forget", "goes")
    assert d.status()["removed_destinations"] == []
    assert d.run("spool", "forget", "goes", check=False).returncode == 1
    d.stop()
    d.start()
    assert d.status()["removed_destinations"] == []


def test_a_destination_removed_before_a_start_is_forgotten_without_a_daemon(quick, otlp_sink, load_sink):
    d = quick(destinations=[otlp("stays", otlp_sink), otlp("goes", load_sink)])
    load_sink.set("status")
    send(d, "one")
    d.wait_until_settled("stays")
    d.stop()
    d.config["destinations"].pop()
    d.start()
    assert d.status()["removed_destinations"] == [{"name": "goes", "pending_spans": 1, "dead_letters": 0}]
    d.stop()
    assert d.run("spool", "forget", "stays", check=False).returncode == 1
    d.run("spool", "forget", "goes")
    d.start()
    assert d.status()["removed_destinations"] == []


def test_a_changed_destination_goes_on_where_it_was(quick, otlp_sink, load_sink):
    d = quick(destinations=[otlp("one", load_sink)])
    load_sink.set("status")
    send(d, "waits")
    reload(d, lambda c: c["destinations"][0].update(url=otlp_sink.url))
    d.wait_until_settled("one")
    assert names_at(otlp_sink) == ["waits"]


def test_the_first_remote_destination_gets_what_the_local_view_holds(quick, otlp_sink):
    d = quick()
    send(d, "before")
    reload(d, lambda c: c.update(destinations=[otlp("one", otlp_sink)]))
    send(d, "after")
    d.wait_until_settled("one")
    assert names_at(otlp_sink) == ["after", "before"]


def test_routes_context_and_the_log_level_are_taken_over(quick, workspace):
    d = quick(destinations=[{"name": "w", "kind": "databricks", "url": workspace.url, "token": "x", "experiment": "/first",
                              "assemble": {"quiet": "50ms"}}], log={"level": "error"})
    send(d, "one")
    d.wait_until_settled("w")
    d.config["routes"] = [{"match": {"resource.service.name": "hand-*"}, "experiment": "/second"}]
    d.config["context"] = {"region": "moved"}
    assert d.log() == ""
    reload(d, lambda c: c.update(log={"level": "info"}))  # or nothing would tell of it
    send(d, "two")
    d.wait_until_settled("w")
    experiments = {i: e["name"] for i, e in workspace.state.experiments.items()}
    seen = {(experiments[t["trace_location"]["mlflow_experiment"]["experiment_id"]], t["tags"].get("region"))
            for t in workspace.state.traces.values()}
    assert seen == {("/first", None), ("/second", "moved")}


def test_an_invalid_file_changes_nothing_and_says_why(quick, otlp_sink):
    d = quick(destinations=[otlp("one", otlp_sink)])
    good = dict(d.config)
    d.config["destinations"] = [otlp("two", otlp_sink), {"name": "three", "kind": "otlp", "urll": "http://x"}]
    d.write_config()
    d.process.send_signal(signal.SIGHUP)
    wait_until(lambda: "the old one stays in force" in d.log(), lambda: d.log_tail())
    assert "urll" in d.log() and "nearest known key" in d.log()
    send(d, "kept")
    d.wait_until_settled("one")
    assert names_at(otlp_sink) == ["kept"]
    d.config = good
    reload(d, lambda c: None)


def test_what_takes_a_restart_is_named(quick, otlp_sink):
    d = quick(destinations=[otlp("one", otlp_sink)])
    reload(d, lambda c: (c["listen"].update(max_body_bytes="1MiB"), c["spool"].update(max_bytes="1GiB")))
    wait_until(lambda: "takes a restart" in d.log(), lambda: d.log_tail())
    line = next(x for x in d.log().splitlines() if "takes a restart" in x)
    assert "listen.max_body_bytes" in line and "spool.max_bytes" in line and "listen.http" not in line


def test_the_service_manager_is_told_of_a_reload(quick, otlp_sink, scratch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(scratch / "notify"))
        manager.settimeout(30)
        d = quick(destinations=[otlp("one", otlp_sink)], env={"NOTIFY_SOCKET": str(scratch / "notify")})
        assert manager.recv(4096).startswith(b"READY=1")
        d.process.send_signal(signal.SIGHUP)
        told = manager.recv(4096)
        assert told.startswith(b"RELOADING=1\nMONOTONIC_USEC="), told
        assert manager.recv(4096).startswith(b"READY=1")
