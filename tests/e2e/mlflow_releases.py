"""Releases of MLflow's client that are tried, each in an environment of its own, which is made once for a user.
usage: mlflow_releases.py oldest     makes the environment that `make test` needs, and says where it is"""
import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

# Before 3.3 the client reaches into OpenTelemetry's SDK, and breaks with a later one than those of its time.
OF_ITS_TIME = ("opentelemetry-sdk==1.33.1", "opentelemetry-api==1.33.1")


@dataclasses.dataclass(frozen=True)
class Release:
    version: str
    mode: str  # http or databricks: what MLFLOW_TRACKING_URI says
    package: str = "mlflow-skinny"  # what mlflow brings for tracing, without the rest
    more: tuple = ()

    @property
    def name(self):
        return f"{self.package.replace('-skinny', '')} {self.version}"


OLDEST = Release("3.1.0", "databricks", more=OF_ITS_TIME)
RELEASES = [
    OLDEST,
    Release("3.2.0", "http", more=OF_ITS_TIME),
    Release("3.6.0", "http"),
    Release("3.6.0", "databricks"),
    Release("3.17.2", "http"),
    Release("3.17.2", "databricks"),
    Release("3.1.0", "databricks", "mlflow-tracing", OF_ITS_TIME),
    Release("3.2.0", "http", "mlflow-tracing", OF_ITS_TIME),
    Release("3.17.2", "http", "mlflow-tracing"),
    Release("3.17.2", "databricks", "mlflow-tracing"),
]


def environment_of(release):
    """Its directory: below the user's cache, and another one whenever what is in it or Python changes."""
    wanted = [f"{release.package}=={release.version}", *release.more]
    key = hashlib.sha256("\n".join([sys.version, *wanted]).encode()).hexdigest()[:12]
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(cache, "spanferry", "clients", f"{release.package}-{release.version}-{key}"), wanted


def python_of(release):
    """Its interpreter, or None where the environment was not made."""
    python = environment_of(release)[0] / "bin" / "python"
    return python if python.exists() else None


def install(release):
    """Makes the environment, from the package registry, if it is not there; its interpreter. Any number at once."""
    home, wanted = environment_of(release)
    if python_of(release) is None:
        home.parent.mkdir(parents=True, exist_ok=True)
        made = pathlib.Path(tempfile.mkdtemp(dir=home.parent))
        subprocess.run([sys.executable, "-m", "venv", made], check=True, timeout=120)
        pip = [made / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
        subprocess.run([*pip, *wanted], check=True, timeout=600)
        try:
            made.rename(home)
        except OSError:  # another one was faster
            shutil.rmtree(made)
    return home / "bin" / "python"


if __name__ == "__main__":
    if sys.argv[1:] != ["oldest"]:
        sys.exit(__doc__)
    print(install(OLDEST))
