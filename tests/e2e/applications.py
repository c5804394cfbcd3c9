"""Applications under real GenAI instrumentations that talk to a model on loopback, and the OTLP they send."""
import os
import pathlib
import shutil
import subprocess
import sys

from daemon import OURS
from programs import ROOT
from otlp_sink import OtlpSink
from stub_llm import StubLlm

HERE = pathlib.Path(__file__).parent / "instrumented"
RECORDED = ROOT / "tests" / "golden" / "instrumented"
LATEST = {"OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
          "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"}
# name → what instruments, and what is set for it
PYTHON = {
    "genai": ("genai", LATEST),
    "genai_earlier_names": ("genai", {}),
    "openinference": ("openinference", {}),
    "traceloop": ("traceloop", {}),
}


def sent_by(command, cwd=None, **env):
    """The OTLP requests (bytes) of one run against the stub."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(OURS + ("OPENAI_", "TRACELOOP_"))}
    with StubLlm() as llm, OtlpSink(keep_bodies=True) as sink:
        where = {"OPENAI_BASE_URL": llm.url, "OTEL_EXPORTER_OTLP_ENDPOINT": sink.url}
        done = subprocess.run(command, cwd=cwd, env=clean | where | env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        assert sink.bodies, "the application exported nothing"
        return sink.bodies


def run_python(name):
    instrumentation, env = PYTHON[name]
    return sent_by([sys.executable, HERE / "openai_app.py", instrumentation], **env)


def run_earlier_traceloop(directory, python):
    """With an interpreter that has an earlier release of the instrumentation."""
    shutil.copy(HERE / "openai_app.py", directory)
    return sent_by([python, "openai_app.py", "traceloop"], cwd=directory)


def run_vercel(directory):
    """With Node and npm, in an empty directory."""
    for file in ("package.json", "vercel_app.mjs"):
        shutil.copy(HERE / file, directory)
    subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=directory, check=True, timeout=600)
    return sent_by(["node", "vercel_app.mjs"], cwd=directory)


def recorded(name):
    """What one of these once gave (tests/golden/instrumented/README.md)."""
    return [path.read_bytes() for path in sorted(RECORDED.glob(f"{name}*.pb"))]
