"""The fake workspace's admin interface, as anybody would use it: over HTTP."""
import json
import urllib.request

LOOK_UP = "GET /api/2.0/mlflow/experiments/get-by-name"
START_TRACE = "POST /api/3.0/mlflow/traces$"
CREDENTIALS = "GET /api/2.0/mlflow/traces/[^/]+/credentials-for-data-upload"
UPLOAD = "PUT /__storage__/"
CALLS = (LOOK_UP, START_TRACE, CREDENTIALS, UPLOAD)  # of one trace's delivery, in order


class Admin:
    def __init__(self, workspace):
        self.url = workspace.url

    def call(self, what, body=None, method=None):
        request = urllib.request.Request(
            f"{self.url}/__fake__/{what}", None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def faults(self, *faults):
        return self.call("faults", list(faults))

    def fault_at_each_call(self, calls=CALLS, **fault):
        """Once at each of the calls that deliver a trace."""
        self.faults(*({"match": call, **fault} for call in calls))

    def pending_faults(self):
        return [f for f in self.call("faults") if f["count"] != 0]

    def clear_faults(self):
        self.call("faults", method="DELETE")

    def config(self, **keys):
        return self.call("config", keys)

    def stats(self):
        return self.call("stats")
