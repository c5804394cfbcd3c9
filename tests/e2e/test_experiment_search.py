"""Searching for experiments: the language against MLflow's own SQL store, on the same experiments; and pages through a
daemon before a real server, which must tell what the server tells, and what only the daemon knows in its place."""
import json
import random
import time
import uuid

import pytest
import requests
from google.protobuf.json_format import MessageToJson
from mlflow.entities import ExperimentTag, ViewType

import accounts
import mlflow_server
import search_oracle
from outage import Outage
from programs import BUILD
from waiting import wait_until

PROGRAM = BUILD / "spanferry-search-experiments"
SEARCH = "/api/2.0/mlflow/experiments/search"
WORDS = ["chat", "Chat", "a", "ab", "x-1", "50%", "under_score", "ünï", "production", "it.s", "é", "/Shared/app", "back\\slash"]
KEYS = ["team", "a.b", "k", "sp ace", "mlflow.note"]
FIRST_MS = 1_700_000_000_000


def fill(store, rng, count):
    for n in range(count):
        name = rng.choice(WORDS) + rng.choice(["", "-", "/"]) + str(n) if n >= len(WORDS) else WORDS[n]
        made = store.create_experiment(name, tags=[ExperimentTag(k, rng.choice([*WORDS, ""])) for k in KEYS if rng.random() < 0.4])
        with store.ManagedSessionMaker(read_only=False) as session:
            row = store._get_experiment(session, made, ViewType.ALL)
            row.creation_time = FIRST_MS + rng.randrange(10)
            row.last_update_time = FIRST_MS + rng.randrange(10)


def quoted(rng, text):
    return json.dumps(text, ensure_ascii=False) if rng.random() < 0.3 else f"'{text}'"


def pattern(rng):
    word = rng.choice(WORDS)
    return rng.choice(["%{}%", "{}%", "%{}", "{}", "_{}", "{}_"]).format(word[:rng.randrange(len(word) + 1)])


def clause(rng):
    compare = lambda *ops: rng.choice(ops) if rng.random() < 0.95 else rng.choice([">", "IN", "~", "==", "<>", "like", "RLIKE", "NOT LIKE"])  # noqa: E731
    kind = rng.randrange(8)
    if kind < 2:
        name = rng.choice(["name", "attribute.name", "`name`", "attribute.`name`"] if rng.random() < 0.9 else ["attributes.name", "Name", "trace.name"])
        return rng.choice([f"{name} {compare('=', '!=')} {quoted(rng, rng.choice(WORDS))}", f"{name} {compare('LIKE', 'ILIKE')} {quoted(rng, pattern(rng))}"])
    if kind < 4:
        key = rng.choice(KEYS)
        name = rng.choice(["tags.", "tag."]) + rng.choice([f"`{key}`", f'"{key}"'] + ([] if " " in key else [key]))
        return rng.choice([f"{name} {compare('=', '!=')} {quoted(rng, rng.choice([*WORDS, '']))}", f"{name} {compare('LIKE', 'ILIKE')} {quoted(rng, pattern(rng))}",
                           f"{name} IS NULL", f"{name} is not null"])
    if kind < 6:
        key = rng.choice(["creation_time", "last_update_time", "attribute.creation_time"])
        return f"{key} {compare('=', '!=', '<', '<=', '>', '>=')} {rng.choice([FIRST_MS + rng.randrange(11)] * 8 + [0, -1])}"
    if kind == 6:
        some = ", ".join(quoted(rng, str(rng.randrange(30))) for _ in range(rng.choice([1, 2, 3])))
        return rng.choice([f"experiment_id {compare('=', '!=')} '{rng.randrange(30)}'", f"experiment_id IN ({some})", f"attribute.experiment_id NOT IN ({some})",
                           f"experiment_id not in ({some})", "experiment_id = ' +1_0 '"])
    return rng.choice(["experiment_id in ('1')", "experiment_id IN (1)", "experiment_id IN ()", "experiment_id = 1", "experiment_id = 'x'", "experiment_id = '1.0'",
                       "experiment_id LIKE '1'", "experiment_id > '1'", "creation_time > 1.5", "creation_time > '5'", "creation_time IN ('5')", "creation_time = 1e3",
                       "creation_time IS NULL", "name IS NOT NULL", "name IN ('chat')", "name NOT IN ('chat')", "name = 5", "name = chat", "tags.k = 5", "tags.k = v",
                       "tags.k IN ('v')", "tags.k > 'v'", "tags.k ilike 'v'", "`tags`.k = 'v'", "metrics.a = 1", "params.k = 'v'", "foo = 'x'", "foo.bar = 'x'", "status = 'x'",
                       "'x' = name", "(name = 'a')", "name = 'a';", "name", "name =", "= 'a'", "name = 'a", "not name = 'a'", "tags = 'v'", "tags. = 'v'",
                       "name = 'a' 'b'", "name LIKE 'a' ESCAPE 'x'", "name = `a`", "name != 'a' tags.k = 'v'",
                       "AND name != 'a'", "name != 'a' AND", "tags.k != 'it''s'", "tags.k != 'a\\'b'", "tags.k != 'a\\'", "name != 'a''"])


def a_filter(rng):
    clauses = [clause(rng) for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3]))]
    joint = rng.choice([" AND ", " and ", "  AND ", " AND\n"]) if rng.random() < 0.97 else " OR "
    return joint.join(clauses)


def an_order(rng):
    keys = ["name", "experiment_id", "creation_time", "last_update_time", "attribute.name", "`name`", "attribute.`creation_time`"]
    if rng.random() < 0.1:
        keys += ["tags.k", "foo", "attributes.name", "Name", "'name", ""]
    ways = ["", " ASC", " DESC", " desc", "\tasc", " up", " ASC DESC"] if rng.random() < 0.1 else ["", " ASC", " DESC", " desc"]
    return [rng.choice(keys) + rng.choice(ways) for _ in range(rng.choice([0, 0, 1, 1, 2, 3]))]


def theirs(store, asked):
    return search_oracle.theirs(
        lambda: [e.experiment_id for e in store.search_experiments(filter_string=asked["filter"], order_by=asked["order_by"], max_results=5000)],
        lambda refusal: refusal.error_code == "INVALID_PARAMETER_VALUE")


def test_takes_refuses_and_finds_what_mlflows_own_store_does(mlflow_store, tmp_path, soak):
    seed = time.time_ns() % 2**32
    rng = random.Random(seed)
    fill(mlflow_store, rng, 60 if soak else 30)
    experiments = tmp_path / "experiments"
    everyone = mlflow_store.search_experiments(max_results=5000)
    experiments.write_text("".join(json.dumps(json.loads(MessageToJson(e.to_proto(), preserving_proto_field_name=True))) + "\n" for e in everyone))
    asked = [{"filter": a_filter(rng), "order_by": an_order(rng)} for _ in range(4_000 if soak else 800)]
    counts, found = search_oracle.compare(PROGRAM, experiments, asked, lambda one: theirs(mlflow_store, one), seed)
    assert counts["ok"] > len(asked) * 0.4 and counts["refused"] > 50 and counts["broken"] < len(asked) * 0.05
    assert found > len(asked) * 0.25


# --- through a daemon


@pytest.fixture(scope="module")
def server():
    with mlflow_server.serve() as url:
        yield url


@pytest.fixture
def outage(far_sides, scratch, server):
    away = Outage("refuse", server, scratch)
    far_sides.callback(away.close)
    accounts.register_same_far_side(away.url, server)
    return away


def create(url, name, **tags):
    body = {"name": name, "tags": [{"key": k, "value": v} for k, v in tags.items()]}
    answer = requests.post(f"{url}/api/2.0/mlflow/experiments/create", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["experiment_id"]


def set_tag(url, experiment_id, key, value):
    answer = requests.post(f"{url}/api/2.0/mlflow/experiments/set-experiment-tag", json={"experiment_id": experiment_id, "key": key, "value": value}, timeout=30)
    assert answer.status_code == 200, answer.text


def pages(url, max_results=3, **asked):
    """(name, id) of all, page by page; whether any page was partial."""
    found, partial, token = [], False, None
    while True:
        body = {"max_results": max_results, **asked, **({"page_token": token} if token else {})}
        answer = requests.post(url + SEARCH, json=body, timeout=30)
        assert answer.status_code == 200, (asked, answer.text)
        page = answer.json()
        assert len(page.get("experiments", [])) <= max_results
        found += [(e["name"], e["experiment_id"]) for e in page.get("experiments", [])]
        partial = partial or "X-Spanferry-Partial" in answer.headers
        token = page.get("next_page_token")
        if not token:
            return found, partial


def names(url, **asked):
    return [name for name, _ in pages(url, **asked)[0]]


def destination(url, **more):
    return {"name": "server", "kind": "mlflow", "url": url, **more}


def searches_of(mark, soak):
    """Of experiments whose tag `mark` is that: filters and orders."""
    every = [{"filter": f"tags.mark = '{mark}'" + more, "order_by": order, "view_type": view}
            for more in ("", " AND name LIKE '%/a%'", " AND name ILIKE '%/A%' AND tags.odd != 'no'", " AND tags.odd = 'yes'", " AND tags.odd IS NULL", " AND creation_time > 5")
            for order in ([], ["name"], ["name DESC"], ["creation_time"], ["last_update_time DESC", "name"], ["experiment_id"])
            for view in ("ACTIVE_ONLY", "ALL", "DELETED_ONLY")]
    return every if soak else every[::7]  # each filter, order and view, not each with each


def fill_server(url, mark, count):
    """The ids, of which every fifth is deleted."""
    ids = []
    for n in range(count):
        odd = {"odd": "yes"} if n % 2 else {}
        ids.append(create(url, f"{mark}/{'ab'[n % 3 == 0]}{n}", mark=mark, **odd))
        if n % 5 == 4:
            requests.post(f"{url}/api/2.0/mlflow/experiments/delete", json={"experiment_id": ids[-1]}, timeout=30).raise_for_status()
    return ids


def test_a_daemon_before_a_server_tells_what_the_server_tells(daemon, server, soak):
    mark = uuid.uuid4().hex[:8]
    fill_server(server, mark, 11)
    d = daemon(destinations=[destination(server)])
    d.wait_for_state("ok")
    for asked in searches_of(mark, soak):
        assert pages(d.url, **asked) == (pages(server, **asked)[0], False), asked
    for asked in ({"filter": "foo = 'x'"}, {"filter": "name like 'x'"}, {"order_by": ["tags.k"]}, {"order_by": "name"}, {"max_results": 0},
                  {"max_results": 50_001}, {"page_token": "x"}, {"filter": 5}, {"max_results": "x"}, {"filter": "name = 'a' OR name = 'b'"}):
        answers = [requests.post(url + SEARCH, json={"max_results": 5, **asked}, timeout=30) for url in (d.url, server)]
        assert [(a.status_code, a.json()["error_code"]) for a in answers] == [(400, "INVALID_PARAMETER_VALUE")] * 2, asked


def test_the_daemon_alone_finds_orders_and_pages_as_a_server(daemon, server, soak):
    """The same made on both, one after the other: only times differ, and ids."""
    mark = uuid.uuid4().hex[:8]
    d = daemon()
    for n in range(8):
        tags = {"mark": mark, **({"odd": "yes"} if n % 2 else {})}
        for url in (server, d.url):
            create(url, f"{mark}/{'ab'[n % 3 == 0]}{n}", **tags)
        wait_until_next_ms()
    for asked in searches_of(mark, soak):
        assert names(d.url, **asked) == names(server, **asked), asked
    assert pages(d.url, filter="name != 'Default'")[1] is False
    in_daemon, on_server = ([i for _, i in pages(url, filter=f"tags.mark = '{mark}'", order_by=["experiment_id"])[0]] for url in (d.url, server))
    for asked in (lambda ids: f"experiment_id IN ('{ids[1]}', '{ids[4]}')", lambda ids: f"tags.mark = '{mark}' AND experiment_id != '{ids[2]}'"):
        assert names(d.url, filter=asked(in_daemon)) == names(server, filter=asked(on_server))


def wait_until_next_ms():
    now = time.time_ns() // 1_000_000
    wait_until(lambda: time.time_ns() // 1_000_000 > now, "the next millisecond", every=0.0005)


def test_what_only_the_daemon_knows_stands_in_its_place_and_once(daemon, server, outage, soak):
    mark = uuid.uuid4().hex[:8]
    there = dict(zip([f"{mark}/{'ab'[n % 3 == 0]}{n}" for n in range(11)], fill_server(server, mark, 11)))
    d = daemon(destinations=[destination(outage.url)])
    # Away: what was asked for, or made here, is known; all of it matches as on the server.
    ours = create(d.url, f"{mark}/a5-ours", mark=mark, odd="yes")
    other = create(d.url, f"{mark}/zz-ours", mark=mark)
    known, partial = pages(d.url, filter=f"tags.mark = '{mark}'", order_by=["name"], max_results=1)
    assert known == [(f"{mark}/a5-ours", ours), (f"{mark}/zz-ours", other)] and partial
    assert pages(d.url, filter=f"tags.mark = '{mark}' AND tags.odd = 'yes'") == ([(f"{mark}/a5-ours", ours)], True)
    assert pages(d.url, filter=f"experiment_id = '{other}'") == ([(f"{mark}/zz-ours", other)], True)
    assert requests.post(d.url + SEARCH, json={"max_results": 5, "filter": "foo = 'x'"}, timeout=30).status_code == 400
    # Back: the server gets both, and they are told among its own, under the ids that clients know.
    outage.end()
    wait_until(lambda: len(names(server, filter=f"tags.mark = '{mark}' AND name LIKE '%-ours'")) == 2, "both on the server")
    wait_until(lambda: not pages(d.url, max_results=100)[1], "a whole answer")
    ids = there | {f"{mark}/a5-ours": ours, f"{mark}/zz-ours": other}
    for asked in searches_of(mark, soak):
        assert pages(d.url, **asked) == ([(name, ids[name]) for name in names(server, **asked)], False), asked
    for one in (ours, there[f"{mark}/a1"]):
        assert [i for _, i in pages(d.url, filter=f"experiment_id IN ('{one}')")[0]] == [one]
    # A tag is found as soon as it is set, whether the server has it yet or not.
    for n in range(20):
        one = (ours, there[f"{mark}/a1"])[n % 2]
        requests.get(f"{d.url}/api/2.0/mlflow/experiments/get", params={"experiment_id": one}, timeout=30).raise_for_status()
        set_tag(d.url, one, "count", str(n))
        assert [i for _, i in pages(d.url, filter=f"tags.mark = '{mark}' AND tags.count = '{n}'")[0]] == [one]
