"""Private authorities, client certificates, HTTP/2 and proxies between the daemon and its far side."""
import base64

import pytest
import trustme

import accounts
import wire
from connect_proxy import PASSWORD
from waiting import wait_until
from workspace_log import traces_with_data

HOST = "workspace.example"  # only a proxy knows where that is


@pytest.fixture
def authority_file(authority, scratch):
    path = scratch / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return str(path)


def destination(url, authority_file, **more):
    return {
        "name": "workspace", "kind": "databricks", "url": url, "token": "x", "experiment": "/Shared/a",
        "ca_file": authority_file, "assemble": {"quiet": "20ms"}, **more,
    }


def client_files(scratch, authority):
    """Paths of our certificate and key, by that authority; writes them anew at each call."""
    certificate = authority.issue_cert("ferry.example")
    paths = scratch / "client.pem", scratch / "client.key"
    certificate.cert_chain_pems[0].write_to_path(paths[0])
    certificate.private_key_pem.write_to_path(paths[1])
    return {"client_certificate": str(paths[0]), "client_key": str(paths[1])}


def send(daemon, traces=1):
    request = wire.request([f"root {i}" for i in range(traces)], one_trace_each=True)
    assert daemon.post(request.SerializeToString())[0] == 200
    return {span.trace_id.hex() for span in wire.spans_of(request)}


def another_way(url, far_side):
    """`url`, which leads to that far side; so it is counted there."""
    accounts.register_same_far_side(url, far_side.url)
    return url


def with_host(workspace):
    return another_way(f"https://{HOST}:{workspace.server_address[1]}", workspace)


def test_a_client_certificate_opens_the_door_and_a_renewed_file_is_enough(daemon, secure_workspace, authority, authority_file, scratch):
    workspace = secure_workspace(clients_of=authority)
    d = daemon(destinations=[destination(workspace.url, authority_file, **client_files(scratch, trustme.CA()))])
    sent = send(d)
    state = d.wait_for_state("paused_config", "workspace")
    assert "client_certificate" in state["reason"] and "does not accept our certificate" in state["reason"], state
    client_files(scratch, authority)
    d.wait_until_settled("workspace", seconds=90)
    assert traces_with_data(workspace) == sent


def test_everything_goes_through_a_proxy_that_wants_a_password(daemon, secure_workspace, authority, authority_file, connect_proxy):
    workspace = secure_workspace(authority.issue_cert(HOST))
    proxy = connect_proxy(HOST)
    d = daemon(destinations=[destination(with_host(workspace), authority_file)], env={"HTTPS_PROXY": proxy.url()})
    sent = send(d, traces=10)
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    assert {(method, target) for method, target, _ in proxy.asked} == {("CONNECT", f"{HOST}:{workspace.server_address[1]}")}
    assert all("authorization" not in headers for _, _, headers in proxy.asked), "the token is not the proxy's business"
    assert len(proxy.asked) < len(workspace.state.requests), "connections are used again"


def test_a_proxy_that_refuses_our_password_is_named_without_it(daemon, secure_workspace, authority, authority_file, connect_proxy):
    workspace = secure_workspace(authority.issue_cert(HOST))
    proxy = connect_proxy(HOST)
    proxy.password = "changed"
    d = daemon(destinations=[destination(with_host(workspace), authority_file)], env={"https_proxy": proxy.url()})
    sent = send(d)
    state = d.wait_for_state("paused_config", "workspace")
    for word in (f"the proxy 127.0.0.1:{proxy.port} wants a credential", "HTTPS_PROXY", f"{HOST}:"):
        assert word in state["reason"], state
    wait_until(lambda: state["reason"] in d.log(), "its sentence in the log")
    told = d.log() + d.run("config").stdout + str(d.status())
    for secret in (PASSWORD, "p%40ss", base64.b64encode(PASSWORD.encode()).decode()):
        assert secret not in told
    proxy.password = PASSWORD
    d.wait_until_settled("workspace", seconds=90)
    assert traces_with_data(workspace) == sent


def test_a_loopback_destination_never_sees_the_proxy(daemon, workspace, authority_file, connect_proxy):
    proxy = connect_proxy()
    every = {name: proxy.url() for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY")}
    d = daemon(destinations=[destination(workspace.url, authority_file)], env=every)
    sent = send(d)
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent and proxy.asked == []


def test_http2_carries_many_requests_on_few_connections(daemon, workspace, http2_front, authority_file):
    front = http2_front(workspace.server_address[1])
    d = daemon(destinations=[destination(another_way(f"https://localhost:{front.port}", workspace), authority_file)])
    sent = set().union(*(send(d, traces=40) for _ in range(3)))
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    requests = front.requests()
    assert {r["protocol"] for r in requests} == {"HTTP/2"}
    assert len(requests) >= 3 * len(sent), "trace info, credentials and upload of each trace"
    assert len({r["port"] for r in requests}) <= 12, "at most concurrency and a few to spare"


def test_large_batches_go_by_http2_too(daemon, otlp_sink, http2_front, authority_file):
    front = http2_front(otlp_sink.port)
    d = daemon(destinations=[{
        "name": "backend", "kind": "otlp", "url": another_way(f"https://localhost:{front.port}", otlp_sink), "ca_file": authority_file, "compression": "none",
    }])
    requests = [wire.request(["large"] * 8, text_bytes=256 * 1024) for _ in range(16)]
    for r in requests:
        assert d.post(r.SerializeToString())[0] == 200
    accounting = d.wait_until_settled("backend", seconds=120)
    assert accounting["delivered"] == 128
    assert set(otlp_sink.ids()) == wire.ids_of(*requests)
    assert {r["protocol"] for r in front.requests()} == {"HTTP/2"}


def test_a_front_that_dies_with_streams_open_loses_nothing(daemon, workspace, http2_front, authority_file):
    # Everything is under way when it dies, and stays so: no answer comes before.
    workspace.state.faults.append({"match": "POST /api/3.0/mlflow/traces$", "count": -1, "delay_s": 0.5})
    front = http2_front(workspace.server_address[1])
    d = daemon(destinations=[destination(another_way(f"https://localhost:{front.port}", workspace), authority_file)])
    sent = send(d, traces=60)
    for _ in range(3):
        before = len(workspace.state.requests)
        wait_until(lambda: len(workspace.state.requests) > before, "requests under way", 60)
        front.kill()
        wait_until(lambda: d.destination("workspace")["state"] in ("retrying", "down"), "an outage that is noticed", 60)
        front.start()
        d.wait_for_state("ok", "workspace", seconds=60)
    workspace.state.faults.clear()
    d.wait_until_settled("workspace", seconds=120)
    assert traces_with_data(workspace) == sent
    assert d.destination("workspace")["dead_letters"] == 0


def test_private_authority_client_certificate_proxy_and_http2_together(
    daemon, workspace, http2_front, authority, authority_file, connect_proxy, scratch
):
    front = http2_front(workspace.server_address[1], HOST, clients_of=authority)
    proxy = connect_proxy(HOST)
    d = daemon(
        destinations=[destination(another_way(f"https://{HOST}:{front.port}", workspace), authority_file, **client_files(scratch, authority))],
        env={"HTTPS_PROXY": proxy.url()},
    )
    sent = send(d, traces=20)
    d.wait_until_settled("workspace")
    assert traces_with_data(workspace) == sent
    assert {r["protocol"] for r in front.requests()} == {"HTTP/2"}
    assert {target for _, target, _ in proxy.asked} == {f"{HOST}:{front.port}"}
