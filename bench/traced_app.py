"""An app with MLFLOW_EXPERIMENT_NAME and no more, as its users write one: how long its traced calls take.

Each line on stdin is {"calls": N, "pause_s": S}; each answer on stdout {"ms": [...], "waited_ms": [...]}: of each call how
long it took, and how much of that its thread did not compute. The first answer is {"ready": true}.

Python's garbage collector is off. It stops every thread, for a quarter of a second with all that MLflow's client holds, and
mostly runs in the threads that export: to the app that is a wait like any other, but the sidecar has no part in it.
"""
import gc
import json
import os
import sys
import time

import mlflow


@mlflow.trace
def call_llm(message):
    return {"content": message.upper()}


@mlflow.trace(name="chat")
def chat(message):
    return {"response": call_llm(message)["content"]}


def main():
    gc.disable()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what the client prints is no answer
    print(json.dumps({"ready": True}), file=answers)
    for line in sys.stdin:
        asked, times, waits = json.loads(line), [], []
        for n in range(asked["calls"]):
            began, computed = time.perf_counter(), time.thread_time()
            chat(f"What is my balance? {n}")
            times.append((time.perf_counter() - began) * 1e3)
            waits.append(times[-1] - (time.thread_time() - computed) * 1e3)
            time.sleep(asked.get("pause_s", 0))
        print(json.dumps({"ms": times, "waited_ms": waits}), file=answers)
    os._exit(0)  # not waiting for what is still queued


if __name__ == "__main__":
    main()
