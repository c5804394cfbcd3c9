"""The app of Databricks' guide, served by uvicorn, and the calls that its authors make beside it, by MLflow's own
client; each call with what it gave. Settings of the client come from the environment, as the guide has them."""
import os
import threading
import time
import traceback
import warnings

import fastapi
import mlflow
import requests
import uvicorn
from mlflow.client import MlflowClient
from mlflow.entities import AssessmentSource

TRACES = 6
SPANS = 2 * TRACES
FIRST_HALF = range(TRACES // 2)
SECOND_HALF = range(TRACES // 2, TRACES)
PARTIAL = "X-Spanferry-Partial"

app = fastapi.FastAPI()
locations = []  # where the traces are: an experiment's id, or a location of Unity Catalog


# FastAPI serves the function it is given: with @mlflow.trace above @app.post that would be the one without traces.
@app.post("/chat")
@mlflow.trace
def handle_chat(message: dict, request: fastapi.Request):
    mlflow.update_current_trace(
        client_request_id=request.headers.get("X-Request-ID"),
        tags={
            "mlflow.trace.session": request.headers.get("X-Session-ID"),
            "mlflow.trace.user": request.headers.get("X-User-ID"),
            "environment": "production",
            "app_version": os.environ.get("APP_VERSION", "1.0.0"),
            "deployment_id": os.environ.get("DEPLOYMENT_ID", "unknown"),
            "region": os.environ.get("REGION", "us-east-1"),
        },
    )
    return {"response": answer(message["message"])}


@mlflow.trace(span_type="CHAT_MODEL")
def answer(message):
    return f"Processed: {message}"


@app.post("/chat_feedback")
def handle_feedback(feedback: dict, client_request_id: str, request: fastapi.Request):
    traces = by_request_id(client_request_id)
    if not traces:
        return {"status": "error", "message": f"Unable to find data for client request ID: {client_request_id}"}
    mlflow.log_feedback(
        trace_id=traces[0].info.trace_id, name="response_is_correct", value=feedback["is_correct"],
        source=AssessmentSource(source_type="HUMAN", source_id=request.headers.get("X-User-ID")),
        rationale=feedback.get("comment"),
    )
    return {"status": "success", "trace_id": traces[0].info.trace_id}


def search(text, max_results=100):
    return MlflowClient().search_traces(locations=locations, filter_string=text, max_results=max_results)


def by_request_id(request_id):
    return search(f"attributes.client_request_id = '{request_id}'", max_results=1)


class Served:
    """The app on a port of its own, until the end of the process."""

    def __init__(self):
        server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
        threading.Thread(target=server.run, daemon=True).start()
        end = time.monotonic() + 60
        while not server.started:
            assert time.monotonic() < end, "uvicorn did not start"
            time.sleep(0.01)
        self.url = "http://127.0.0.1:%d" % server.servers[0].sockets[0].getsockname()[1]

    def post(self, path, body, **headers):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = requests.post(f"{self.url}{path}", json=body, headers=named, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def chat(self, numbers):
        said = []
        for n in numbers:
            said.append(self.post("/chat", {"message": f"What is {n}?"}, X_Request_ID=f"req-{n}",
                                  X_Session_ID=f"session-{n % 2}", X_User_ID=f"user-{n % 3}")["response"])
            time.sleep(0.005)  # their times differ
        mlflow.flush_trace_async_logging()
        return said


class Calls:
    """What each call gave, in order; whether an answer to it was marked as partial; and how long it took."""

    def __init__(self, until_whole):
        self.until_whole, self.made, self.marked = until_whole, [], False
        send = requests.adapters.HTTPAdapter.send

        def and_look(adapter, *arguments, **more):
            answered = send(adapter, *arguments, **more)
            self.marked = self.marked or PARTIAL in answered.headers
            return answered

        requests.adapters.HTTPAdapter.send = and_look

    def read(self, what, call):
        """until_whole: a far side that is up may have kept the daemon waiting for too long; then it is asked again."""
        end = time.monotonic() + 60
        while True:
            self.write(what, call)
            self.made[-1]["is_read"] = True
            if not (self.until_whole and self.marked) or time.monotonic() > end:
                return self.made[-1]["gave"]
            self.made.pop()
            time.sleep(0.2)

    def write(self, what, call):
        self.marked = False
        began = time.monotonic()
        gave = call()
        self.made.append({"call": what, "gave": gave, "partial": self.marked, "is_read": False, "took_s": round(time.monotonic() - began, 3)})
        return gave


def request_ids(traces):
    return [t.info.client_request_id for t in traces]


def told_of(trace):
    info = trace.info
    return {
        "client_request_id": info.client_request_id, "state": info.state.value,
        "tags": {k: v for k, v in info.tags.items() if not k.startswith("mlflow.") or k.startswith("mlflow.trace.") and k != "mlflow.trace.spansLocation"},
        "feedback": [[a.name, a.value, a.source.source_type, a.source.source_id, a.rationale] for a in info.assessments or []],
        "spans": [[s.name, s.span_type, s.status.status_code.value, s.parent_id is not None] for s in sorted(trace.data.spans, key=lambda s: (s.start_time_ns, s.parent_id is not None))],
    }


def first_half(calls, served):
    experiment = calls.write("mlflow.set_experiment", lambda: mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"]).experiment_id)
    calls.made[-1]["gave"] = "an id"
    locations[:] = [os.environ.get("APP_TABLES") or experiment]
    calls.read("client.search_experiments()", lambda: sorted(e.name for e in MlflowClient().search_experiments()))
    calls.read("mlflow.search_traces(max_results=5), before the first",
               lambda: request_ids(mlflow.search_traces(locations=locations, max_results=5, return_type="list")))
    calls.write("POST /chat, first half", lambda: served.chat(FIRST_HALF))


def second_half(calls, served):
    client = MlflowClient()
    calls.write("POST /chat, second half", lambda: served.chat(SECOND_HALF))
    calls.read("client.search_experiments(), again", lambda: sorted(e.name for e in client.search_experiments()))
    calls.read("mlflow.search_traces(max_results=5)",
               lambda: request_ids(mlflow.search_traces(locations=locations, max_results=5, return_type="list")))
    calls.read("client.get_experiment_by_name",
               lambda: [(e := client.get_experiment_by_name(os.environ["MLFLOW_EXPERIMENT_NAME"])).name, e.lifecycle_stage])
    calls.read("search by attributes.client_request_id", lambda: request_ids(by_request_id("req-4")))
    for n in range(3):
        calls.read(f"search by tags.`mlflow.trace.user`, user-{n}",
                   lambda user=f"user-{n}": request_ids(search(f"tags.`mlflow.trace.user` = '{user}'")))
    for n in range(2):
        calls.read(f"search by tags.`mlflow.trace.session`, session-{n}",
                   lambda session=f"session-{n}": request_ids(search(f"tags.`mlflow.trace.session` = '{session}'")))
    said = calls.write("POST /chat_feedback", lambda: served.post(
        "/chat_feedback?client_request_id=req-4", {"is_correct": True, "comment": "so it is"}, X_User_ID="user-1"))
    (trace,) = by_request_id("req-4")
    calls.made[-1]["gave"] = [said["status"], said["trace_id"] == trace.info.trace_id]
    calls.write("POST /chat_feedback, of nothing", lambda: served.post(
        "/chat_feedback?client_request_id=req-404", {"is_correct": False}, X_User_ID="user-1"))
    calls.read("feedback by search", lambda: told_of(by_request_id("req-4")[0])["feedback"])
    calls.read("client.get_trace", lambda: told_of(client.get_trace(trace.info.trace_id)))
    mlflow.flush_trace_async_logging()


def run(environment, connection, until_whole=False):
    """In a process of its own: the first half of it all, then, when told to go on, the second. Sends "half", and the
    calls at the end."""
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter("ignore", UserWarning)  # searches of tables without a limit of time are dear, it says
    calls, served = Calls(until_whole), Served()
    first_half(calls, served)
    connection.send("half")
    connection.recv()
    try:
        second_half(calls, served)
    except Exception:
        connection.send({"calls": calls.made, "failed": traceback.format_exc()})
        raise
    connection.send({"calls": calls.made})


def write_directly(environment, request_ids, experiments):
    """What another pod wrote: traces in the experiment, and experiments."""
    os.environ.clear()
    os.environ.update(environment)
    mlflow.set_experiment(os.environ["MLFLOW_EXPERIMENT_NAME"])
    for request_id in request_ids:
        with mlflow.start_span("elsewhere"):
            mlflow.update_current_trace(client_request_id=request_id)
        time.sleep(0.005)
    mlflow.flush_trace_async_logging()
    for name in experiments:
        if MlflowClient().get_experiment_by_name(name) is None:
            mlflow.create_experiment(name)
