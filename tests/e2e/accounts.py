"""The accounts of a daemon under test, each term counted by itself: accepted from what its senders were answered,
delivered from what the far side holds, pending and dead by a scan of the spool. `status` must agree with them.

An identity that holds because one of its terms is computed from the others would show nothing."""
import dataclasses

OUTCOMES = ("delivered", "dead", "deleted", "dropped", "lost", "not_applicable", "not_routed")


@dataclasses.dataclass
class Sent:
    """Spans, by the answers that their senders got."""
    acknowledged: int = 0
    unknown: int = 0  # at most: the answer never came, or there is none


_sent = {}  # by the daemon's address
_far_sides = {}  # by url


def sent_to(address, afresh=False):
    if afresh:
        _sent[address] = Sent()
    return _sent.setdefault(address, Sent())


class FarSides:
    """What the far sides of a daemon's destinations hold. A destination may be pointed elsewhere while it runs."""

    def __init__(self):
        self.by_destination = {}  # name → {url: spans that were there before}

    def add(self, destinations):
        for d in destinations:
            if d.get("url") in _far_sides:
                urls = self.by_destination.setdefault(d["name"], {})
                if d["url"] not in urls:
                    urls[d["url"]] = _far_sides[d["url"]]()

    def spans(self, destination):
        """Distinct ones that came since; None where nobody counts."""
        urls = self.by_destination.get(destination)
        return sum(_far_sides[url]() - before for url, before in urls.items()) if urls else None


def register_far_side(url, count):
    _far_sides[url] = count


def register_same_far_side(url, other):
    """`url` is another way to `other`, if that one is counted."""
    if other in _far_sides:
        _far_sides[url] = _far_sides[other]


def forget_far_sides():
    _far_sides.clear()


def check_identity(name, a):
    came, left = a["accepted"] + a.get("recovered", 0), sum(a[o] for o in OUTCOMES) + a["pending"]
    assert came == left, f"{name}: {came} came, {left} accounted for: {a}"


def check_scan(scan, sent, far_sides, kept_without_answer=False):
    """`scan`: `spool inspect --json` of the stopped spool. Its pending spans and dead letters are counted record by
    record, its other figures are what the daemon has stored. kept_without_answer: there were refusals after which a
    span may be kept all the same (a write that failed half way)."""
    came = scan["appended"]["spans"]
    assert came >= sent.acknowledged, f"{sent.acknowledged} spans acknowledged, {came} in the log"
    assert kept_without_answer or came <= sent.acknowledged + sent.unknown, f"{came} spans in the log, of {sent}"
    for c in scan["destinations"]:
        check_identity(f"scan of {c['name']}", c | {"pending": c["pending"]["spans"]})
        assert c["dead_letters"]["spans"] == c["dead"], c
        held = far_sides.spans(c["name"])
        if held is not None:  # what was in flight at the end may have arrived without our knowing
            assert c["delivered"] <= held <= c["delivered"] + c["pending"]["spans"], (held, c)


def check_status(status, scan, moved):
    """`status` beside a scan that came after it (moved: what happened in between, at most in this direction) or of
    the same state (moved=False): term by term."""
    scanned = {c["name"]: c for c in scan["destinations"]}
    for d in status["destinations"]:
        a = d.get("accounting")
        if not a:
            continue
        check_identity(d["name"], a)
        c = scanned.get(d["name"])
        if c is None:
            continue
        came, pending = c["accepted"] - a["accepted"], c["pending"]["spans"]
        if moved and (came or pending != a["pending"]):
            assert came >= 0 and pending <= a["pending"] + came, (d, c)
            assert all(c[o] >= a[o] for o in OUTCOMES), (d, c)
            continue
        assert (came, pending) == (0, a["pending"]), (d, c)
        assert c["dead_letters"]["spans"] == a["dead"], (d, c)
        assert all(c[o] == a[o] for o in OUTCOMES), (d, c)
