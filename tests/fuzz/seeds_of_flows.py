"""Seeds of fuzz_mlflow_api from recorded traffic: each request once, about the trace that the target has.
usage: seeds_of_flows.py DIRECTORY_OF_FLOWS OUT"""
import base64
import hashlib
import json
import pathlib
import re
import sys

TRACE = "0af7651916cd43dd8448eb211c80319c"
IN_BASE64 = base64.b64encode(bytes.fromhex(TRACE)).decode()


def about_our_trace(text):
    text = re.sub(r"a-[0-9a-f]{32}", "a-1", text)
    text = re.sub(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])", TRACE, text)
    text = re.sub(r'("trace_id": ")[A-Za-z0-9+/]{22}=="', rf'\g<1>{IN_BASE64}"', text)
    return re.sub(r"(artifacts/|experiment_id=|\"experiment_id\": \")\d+", r"\g<1>0", text)


def body_of(request):
    if "base64" in request:
        return base64.b64decode(request["base64"])
    text = json.dumps(request["json"], ensure_ascii=False) if "json" in request else request.get("text", "")
    return about_our_trace(text).encode()


def seeds(flows):
    for flow in sorted(flows.glob("*.json")):
        for exchange in json.loads(flow.read_text()):
            headers = exchange["headers"]
            client = "databricks" if "databricks-sdk" in headers.get("User-Agent", "") else "python"
            for far_side in ("local", "away"):
                head = f"{client} {far_side}\n{exchange['method']} {about_our_trace(exchange['path'])}\n{headers.get('Content-Type', '')}\n"
                yield head.encode() + body_of(exchange["request"] or {})


if __name__ == "__main__":
    flows, out = map(pathlib.Path, sys.argv[1:])
    out.mkdir(parents=True, exist_ok=True)
    for seed in seeds(flows):
        (out / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
