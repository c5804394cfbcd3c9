"""What goes wrong at a fake workspace in a random run, and the restarts of the daemon before it."""
import random as randomness
import threading
import time

from workspace_admin import CALLS
from workspace_storages import UnityCatalog

DELIVERY = (*CALLS, UnityCatalog.spans, UnityCatalog.info)
EDITS = ("(PATCH|DELETE) /api/[^/]+/mlflow/traces/.*/tags", "/mlflow/traces/.*/assessments", "delete-traces")

# (weight, fault); each is told to one of the calls, or to all of them.
PASSING = [
    (4, {"status": 503}), (2, {"status": 503, "headers": {"Retry-After": "1"}}), (2, {"status": 429, "headers": {"Retry-After": "1"}}),
    (1, {"status": 429}), (2, {"status": 500}), (1, {"status": 502}), (1, {"status": 504}), (1, {"status": 408}), (1, {"status": 425}),
    (3, {"drop": "before"}), (4, {"drop": "after"}), (2, {"truncate": 0}), (1, {"truncate": 5}), (3, {"delay_s": 0.2}), (1, {"delay_s": 1.6}),
    (2, {"status": 500, "process": True}), (2, {"status": 503, "process": True}),
    (1, {"status": 200, "content_type": "text/html", "body": "<html>log in</html>"}),
    (1, {"status": 302, "headers": {"Location": "https://elsewhere.invalid/"}}), (1, {"status": 401}), (1, {"status": 403}),
]
# Only where something of the trace is answered can such an answer be told from a good one.
ODD = [(1, {"status": 200, "body": {"login": "/portal"}})]
SETTING_ASIDE = [(1, {"status": 400}), (1, {"status": 422}), (1, {"status": 413})]  # dead letters, tried again in the end


class RandomFarSide:
    """Threads that bring faults and restarts until stopped; `log` says what was done, with its time."""

    def __init__(self, daemon, admin, random, forbid):
        """forbid: experiments that are refused now and then."""
        self.daemon, self.admin, self.forbid = daemon, admin, forbid
        self.log, self.began = [], time.monotonic()
        self.ended, self.trouble = threading.Event(), []
        # Two of their own: what one does must not depend on how far the other came.
        self.for_faults, self.for_restarts = randomness.Random(random.random()), randomness.Random(random.random())
        self.threads = [threading.Thread(target=self._guarded, args=(what,)) for what in (self._faults, self._restarts)]
        for thread in self.threads:
            thread.start()

    def _guarded(self, what):
        try:
            what()
        except Exception as problem:  # told by stop()
            self.trouble.append(problem)

    def _note(self, what):
        self.log.append(f"{time.monotonic() - self.began:.2f} {what}")

    def _faults(self):
        random = self.for_faults
        while not self.ended.wait(random.uniform(0.05, 0.8)):
            what = random.random()
            if what < 0.80:
                self._fault(random)
            elif what < 0.90:
                self._note("expire tokens and signed URLs")
                self.admin.call("expire_tokens", {})
            elif what < 0.96:
                mode = random.choice(["drop", 503])
                self._note(f"outage {mode}")
                self.admin.call("outage", {"on": True, "mode": mode})
                self.ended.wait(random.uniform(0.3, 2.5))
                self.admin.call("outage", {"on": False})
            else:
                experiment = random.choice(self.forbid)
                self._note(f"forbid {experiment}")
                self.admin.config(forbid_experiments=[experiment])
                self.ended.wait(random.uniform(0.5, 3))
                self.admin.config(forbid_experiments=[])

    def _fault(self, random):
        weights, faults = zip(*random.choices([PASSING, ODD, SETTING_ASIDE], [93, 4, 3])[0])
        fault, count = random.choices(faults, weights)[0], random.randint(1, 4)
        match = random.choice([*DELIVERY, *EDITS, "/oidc/", ".*"])
        if "login" in fault.get("body", ()):
            match = random.choice([call for call in DELIVERY if call != UnityCatalog.spans and not call.startswith("PUT")])
        elif fault["status"] in (400, 413, 422) if "status" in fault else False:
            # An edit that is refused goes in the end, after those that came later: no order is promised then.
            match = random.choice(DELIVERY)
        elif fault.get("status") == 500:
            match, count = (match, 1) if match in EDITS else (random.choice(DELIVERY), count)
        fault = fault | {"match": match, "count": count}
        self._note(fault)
        self.admin.faults(fault)

    def _restarts(self):
        random = self.for_restarts
        while not self.ended.wait(random.uniform(3, 12)):
            if random.random() < 0.7:
                self._note("kill")
                self.daemon.kill()
            else:
                self._note("terminate")
                assert self.daemon.stop(60) == 0
            self.ended.wait(random.uniform(0, 0.5))
            self.daemon.start()

    def stop(self):
        """Nothing goes wrong any more."""
        self.ended.set()
        for thread in self.threads:
            thread.join()
        self.admin.clear_faults()
        self.admin.call("outage", {"on": False})
        self.admin.config(forbid_experiments=[])
        assert not self.trouble, self.trouble
