"""Bad input to every handler of the MLflow API: the server's error_code and a message, and nothing is kept or lost."""
import json
import pathlib
import re

import pytest
import requests

ROUTES = pathlib.Path(__file__).parents[2] / "ingest" / "mlflow_api" / "routes.cpp"
# They take nothing that could be wrong.
CANNOT_FAIL = {"tell_version", "tell_health", "tell_server_info", "tell_workspace", "tell_token_endpoint", "give_token"}

THERE, NOT_THERE = "tr-" + "1" * 32, "tr-" + "2" * 32
V3, V2, V4 = "/api/3.0/mlflow/traces", "/api/2.0/mlflow/traces", "/api/4.0/mlflow/traces/main.genai.app"
EXPERIMENTS, FILES = "/api/2.0/mlflow/experiments", "/api/2.0/mlflow-artifacts/artifacts/0/traces"
INVALID, MISSING, DENIED = (400, "INVALID_PARAMETER_VALUE"), (404, "RESOURCE_DOES_NOT_EXIST"), (403, "PERMISSION_DENIED")
NO_JSON = ("", "{", "[]", "7", "null", '{"a":1,}', '\xff{}')

# handler: (method, path, bodies, answer)
CASES = {
    "experiment_by_name": [("GET", f"{EXPERIMENTS}/get-by-name", [None], INVALID),
                           ("GET", f"{EXPERIMENTS}/get-by-name?experiment_name=none", [None], MISSING),
                           ("GET", f"{EXPERIMENTS}/get-by-name?experiment_name=x%FF", [None], MISSING)],
    "experiment_by_id": [("GET", f"{EXPERIMENTS}/get", [None], INVALID),
                         ("GET", f"{EXPERIMENTS}/get?experiment_id=77", [None], MISSING),
                         ("GET", f"{EXPERIMENTS}/get?experiment_id=x%00y", [None], MISSING)],
    "create_experiment": [("POST", f"{EXPERIMENTS}/create", [*NO_JSON, "{}", '{"name":""}', '{"name":7}', json.dumps({"name": "n" * 501})], INVALID),
                          ("POST", f"{EXPERIMENTS}/create", ['{"name":"Default"}'], (400, "RESOURCE_ALREADY_EXISTS"))],
    "search_experiments": [("POST", f"{EXPERIMENTS}/search", [*NO_JSON[1:], '{"max_results":-1}', '{"page_token":"x"}'], INVALID)],
    "set_experiment_tag": [("POST", f"{EXPERIMENTS}/set-experiment-tag", [*NO_JSON, '{"key":"k","value":"v"}', '{"experiment_id":"0","value":"v"}'], INVALID),
                           ("POST", f"{EXPERIMENTS}/set-experiment-tag", ['{"experiment_id":"77","key":"k","value":"v"}'], MISSING)],
    "start_trace": [("POST", V3, [*NO_JSON, "{}", '{"trace":7}', '{"trace":{"trace_info":[]}}', '{"trace":{"trace_info":{"trace_id":"mine"}}}',
                                  '{"trace":{"trace_info":{"trace_id":"tr-%s","trace_location":{"mlflow_experiment":{"experiment_id":"x"}}}}}' % ("3" * 32)], INVALID)],
    "refuse_v2_start": [("POST", V2, ["{}"], (400, "BAD_REQUEST"))],
    "get_trace": [("GET", f"{V3}/get", [None], INVALID), ("GET", f"{V3}/get?trace_id={NOT_THERE}", [None], MISSING),
                  ("GET", f"{V3}/get?trace_id=mine", [None], MISSING)],
    "batch_get_traces": [("GET", f"{V3}/batchGet", [None], INVALID), ("GET", f"{V4}/batchGet", [None], INVALID),
                         ("GET", f"{V3}/batchGet?" + "&".join(f"trace_ids={n:032x}" for n in range(101)), [None], INVALID)],
    "search_traces": [("POST", f"{V3}/search", [*NO_JSON, '{"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"filter":"tags.x >< 1"}',
                                                '{"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"max_results":-1}',
                                                '{"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"page_token":"?"}',
                                                '{"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"order_by":["nothing"]}'], INVALID)],
    "search_traces_long_running": [("POST", "/api/4.0/mlflow/traces/search-long-running", [*NO_JSON, '{"locations":[{"mlflow_experiment":{"experiment_id":"0"}}],"filter":"status = OK OR name = 1"}'], INVALID)],
    "get_trace_info": [("GET", f"{V3}/{NOT_THERE}", [None], MISSING), ("GET", f"{V3}/mine", [None], MISSING),
                       ("GET", f"{V3}/tr-%9D%FF", [None], INVALID)],
    "credentials_for_upload": [("GET", f"{V2}/{NOT_THERE}/credentials-for-data-upload", [None], MISSING),
                               ("GET", f"{V2}/mine/credentials-for-data-upload", [None], MISSING),
                               ("GET", f"{V2}/{THERE}/credentials-for-data-upload?path=../x", [None], INVALID)],
    "credentials_for_download": [("GET", f"{V2}/{NOT_THERE}/credentials-for-data-download", [None], MISSING),
                                 ("GET", f"{V2}/{THERE}/credentials-for-data-download?path=/etc/passwd", [None], INVALID)],
    "put_stored": [("PUT", f"/mlflow-storage/0/{THERE}/artifacts/traces.json?expires=9999999999&sig=00", ["x"], DENIED)],
    "get_stored": [("GET", f"/mlflow-storage/0/{THERE}/artifacts/traces.json", [None], DENIED)],
    "delete_traces": [("POST", f"{V2}/delete-traces", [*NO_JSON, "{}", '{"experiment_id":"0"}', '{"experiment_id":"0","max_timestamp_millis":1,"max_traces":0}',
                                                       '{"experiment_id":"0","max_timestamp_millis":1,"request_ids":["%s"]}' % THERE], INVALID)],
    "set_tag": [("PATCH", f"{V2}/{THERE}/tags", [*NO_JSON, "{}", '{"value":"v"}', '{"key":"","value":"v"}', json.dumps({"key": "k" * 251, "value": "v"})], INVALID),
                ("PATCH", f"{V2}/{NOT_THERE}/tags", ['{"key":"k","value":"v"}'], MISSING), ("PATCH", f"{V2}/mine/tags", ['{"key":"k","value":"v"}'], MISSING),
                ("PATCH", f"{V4}/{'2' * 32}/tags", ['{"key":"k","value":"v"}'], MISSING)],
    "delete_tag": [("DELETE", f"{V2}/{THERE}/tags", [*NO_JSON, "{}"], INVALID), ("DELETE", f"{V2}/{THERE}/tags", ['{"key":"never"}'], MISSING),
                   ("DELETE", f"{V2}/mine/tags", ['{"key":"k"}'], MISSING), ("DELETE", f"{V4}/{'1' * 32}/tags/never", [None], MISSING)],
    "create_assessment": [("POST", f"{V3}/{THERE}/assessments", [*NO_JSON, "{}", '{"assessment":7}', '{"assessment":{"assessment_name":"a"}}',
                                                                 '{"assessment":{"feedback":{"value":1}}}'], INVALID),
                          ("POST", f"{V3}/{NOT_THERE}/assessments", ['{"assessment":{"assessment_name":"a","feedback":{"value":1}}}'], MISSING),
                          ("POST", f"{V4}/{'1' * 32}/assessments", [*NO_JSON, "{}"], INVALID)],
    "get_assessment": [("GET", f"{V3}/{THERE}/assessments/a-1", [None], MISSING), ("GET", f"{V3}/{NOT_THERE}/assessments/a-1", [None], MISSING),
                       ("GET", f"{V4}/mine/assessments/a-1", [None], MISSING)],
    "update_assessment": [("PATCH", f"{V3}/{THERE}/assessments/a-1", [*NO_JSON, "{}", '{"assessment":{"feedback":{"value":1},"expectation":{"value":1}},"update_mask":"feedback"}'], INVALID),
                          ("PATCH", f"{V3}/{THERE}/assessments/a-1", ['{"assessment":{"feedback":{"value":1}},"update_mask":"feedback"}'], MISSING),
                          ("PATCH", f"{V4}/{'1' * 32}/assessments/a-1?update_mask=feedback", ['{"feedback":{"value":1}}'], MISSING)],
    "delete_assessment": [("DELETE", f"{V3}/mine/assessments/a-1", [None], MISSING), ("DELETE", f"{V3}/{NOT_THERE}/assessments/a-1", [None], MISSING)],
    "put_artifact": [("PUT", f"{FILES}/{THERE}/artifacts/traces.json", [*NO_JSON, '{"spans":[{}]}', '{"spans":[{"trace_id":"VVVVVVVVVVVVVVVVVVVVVQ==","span_id":"AAAAAAAAAAE=","name":"of another"}]}'], INVALID),
                     ("PUT", f"{FILES}/{THERE}/artifacts/../../x", ["a"], INVALID), ("PUT", f"{FILES}/mine/artifacts/traces.json", ['{"spans":[]}'], INVALID)],
    "get_artifact": [("GET", f"{FILES}/{NOT_THERE}/artifacts/traces.json", [None], MISSING), ("GET", f"{FILES}/{THERE}/artifacts/attachments/none", [None], MISSING),
                     ("GET", f"{FILES}/{THERE}/artifacts/attachments/..%2f..%2fx", [None], MISSING)],
    "make_table_location": [("POST", "/api/5.0/mlflow/tracing/locations", [*NO_JSON, '{"uc_table_prefix":{"catalog_name":"main"}}'], INVALID)],
    "read_table_location": [("GET", "/api/5.0/mlflow/tracing/locations/none", [None], MISSING)],
    "link_table_location": [("POST", "/api/5.0/mlflow/experiments/0/trace-location:link", [*NO_JSON, "{}"], INVALID),
                            ("POST", "/api/5.0/mlflow/experiments/77/trace-location:link",
                             ['{"uc_table_prefix":{"catalog_name":"a","schema_name":"b","table_prefix":"c"}}'], MISSING)],
    "start_trace_v4": [("POST", f"{V4}/{'3' * 32}/info", [*NO_JSON, "{}", '{"trace_id":"%s"}' % ("4" * 32)], INVALID),
                       ("POST", f"/api/4.0/mlflow/traces/nowhere/{'3' * 32}/info", ['{"trace_id":"%s"}' % ("3" * 32)], INVALID)],
    "get_trace_info_v4": [("GET", f"{V4}/{'2' * 32}/info", [None], MISSING), ("GET", f"{V4}/mine/info", [None], MISSING)],
    "give_feedback": [("POST", "/api/spanferry/v1/feedback", [*NO_JSON, "{}", '{"name":"a","value":1}', '{"name":"a","trace_id":"mine","value":1}',
                                                              '{"name":"a","trace_id":"%s","client_request_id":"r","value":1}' % THERE], INVALID),
                      ("POST", "/api/spanferry/v1/feedback", ['{"name":"a","client_request_id":"none","value":1}'], MISSING)],
    "": [("POST", "/api/2.0/mlflow/runs/create", ["{}"], (404, "ENDPOINT_NOT_FOUND")), ("GET", "/api/5.0/mlflow/anything", [None], (404, "ENDPOINT_NOT_FOUND")),
         ("DELETE", f"{V3}/{THERE}", [None], (404, "ENDPOINT_NOT_FOUND"))],
}


def handlers():
    return set(re.findall(r'\{"[A-Z]+", "[^"]+", (\w+)\}', ROUTES.read_text())) | {"give_feedback"}


def test_every_handler_has_a_case():
    assert handlers() - CANNOT_FAIL == CASES.keys() - {""}


@pytest.mark.parametrize("client", ["mlflow-python-client/3.17.2", "unknown/0.0.0 databricks-sdk-py/0.156.0 auth/pat"], ids=["http", "databricks"])
def test_bad_input_is_refused_in_the_servers_words_and_nothing_is_kept_or_lost(daemon, client):
    d = daemon()
    info = {"trace_id": THERE, "state": "OK", "client_request_id": "req-1", "tags": {"k": "v"}}
    requests.post(f"{d.url}{V3}", json={"trace": {"trace_info": info}}, timeout=30).raise_for_status()
    before, troubles, sent = d.get(f"{V3}/{THERE}"), [], 0
    kept = d.status()["accepted"]
    for handler, cases in CASES.items():
        for method, path, bodies, wanted in cases:
            for body in bodies:
                headers = {"User-Agent": client, "Content-Type": "application/json"}
                status, _, text = d.request(path, body if body is None else body.encode("latin-1"), headers, method=method)
                sent += 1
                try:
                    answer = json.loads(text)
                    said = (status, answer["error_code"])
                    assert answer["message"]
                except (ValueError, KeyError, AssertionError):
                    said = (status, text[:100])
                if said != wanted:
                    troubles.append(f"{handler}: {method} {path[:90]} {body!r:.90}: {said}, not {wanted}; {text[:120]}")
    assert not troubles, "\n".join(troubles)
    assert sent > 150
    assert d.get(f"{V3}/{THERE}") == before
    assert d.status()["accepted"] == kept
    d.kill()
    d.start()
    assert d.get(f"{V3}/{THERE}") == before
