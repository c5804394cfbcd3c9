"""What goes wrong at a fake workspace in a random run, and the restarts of the daemon before it."""
import random as randomness
import threading
import time

from workspace_admin import CALLS

# (weight, fault); each is told to one of the calls, or to all of them.
PASSING = [
    (4, {"status": 503}), (2, {"status": 503, "headers": {"Retry-After": "1"}}), (2, {"status": 429, "headers": {"Retry-After": "1"}}),
    (1, {"status": 429}), (2, {"status": 500}), (1, {"status": 502}), (1, {"status": 504}), (1, {"status": 408}), (1, {"status": 425}),
    (3, {"drop": "before"}), (4, {"drop": "after"}), (2, {"truncate": 0}), (1, {"truncate": 5}), (3, {"delay_s": 0.2}), (1, {"delay_s": 1.6}),
    (2, {"status": 500, "process": True}), (2, {"status": 503, "process": True}),
    (1, {"status": 200, "content_type": "text/html", "body": "<html>log in</html>"}), (1, {"status": 200, "body": {"login": "/portal"}}),
    (1, {"status": 302, "headers": {"Location": "https://elsewhere.invalid/"}}), (1, {"status": 401}), (1, {"status": 403}),
]
SETTING_ASIDE = [(1, {"status": 400}), (1, {"status": 422}), (1, {"status": 413})]  # dead letters, tried again in the end


class RandomFarSide:
    """Threads that bring faults and restarts until stopped; `log` says what was done, with its time."""

    def __init__(self, daemon, admin, random, forbid):
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
                weights, faults = zip(*(PASSING if random.random() < 0.97 else SETTING_ASIDE))
                fault = random.choices(faults, weights)[0] | {
                    "match": random.choice([*CALLS, "/oidc/", ".*"]), "count": random.randint(1, 4)}
                self._note(fault)
                self.admin.faults(fault)
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
                self._note(f"forbid {self.forbid}")
                self.admin.config(forbid_experiments=[self.forbid])
                self.ended.wait(random.uniform(0.5, 3))
                self.admin.config(forbid_experiments=[])

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
