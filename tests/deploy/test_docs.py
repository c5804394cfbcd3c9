"""The commands of docs/deploy-*.md, run as they stand; a block that is not run says why in its first line."""
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from machine import Machine
from programs import ROOT

NOT_RUN = "# not run by our tests: "


def blocks(name):
    """The shell blocks of a document that can be run here; the others must give a reason."""
    text = (ROOT / "docs" / name).read_text()
    every = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.M | re.S)
    assert every and all(language == "sh" for language, _ in every)
    for _, block in every:
        first = block.splitlines()[0]
        assert not first.startswith("#") or (first.startswith(NOT_RUN) and len(first) > len(NOT_RUN)), block
    return [block for _, block in every if not block.startswith(NOT_RUN)]


@pytest.mark.machine
def test_systemd(base_root, deb, scratch):
    machine = Machine(scratch / "machine", base_root)
    try:
        home = machine.root / "root" / "build" / "deb"
        home.mkdir(parents=True)
        shutil.copy(deb, home)
        machine.write(
            "/etc/systemd/system/spanferry.service.d/quick.conf", "[Service]\nEnvironment=SPANFERRY_DRAIN_TIMEOUT=500ms\n"
        )
        machine.boot()
        run = blocks("deploy-systemd.md")
        assert len(run) > 10
        for block in run:
            done = machine.run(
                "/bin/bash", "-e", "-o", "pipefail", "-c", f"cd /root\n{block}", seconds=120, check=False,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"},
            )
            journal = machine.journal("-u", "spanferry.service", "-n", "20")
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}\n{journal}"
        assert not (machine.root / "var/lib/private/spanferry").exists()
    finally:
        machine.close()


def tree(scratch):
    """A copy of what the commands touch, so that the tree itself stays as it is."""
    for folder in ("deploy", "tests", "bench"):
        shutil.copytree(ROOT / folder, scratch / folder, ignore=shutil.ignore_patterns("node_modules"))
    shutil.copy(ROOT / "pytest.ini", scratch)
    return scratch


@pytest.mark.parametrize("name", ["deploy-docker.md", "deploy-kubernetes.md"])
def test_containers(name, scratch):
    interpreter = pathlib.Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{interpreter}:{os.environ['PATH']}", "SPANFERRY_BUILD": str(ROOT / "build/release")}
    environment.pop("PYTEST_XDIST_WORKER", None)
    run = blocks(name)
    assert run
    for block in run:
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", block], cwd=tree(scratch / str(run.index(block))),
            capture_output=True, text=True, env=environment, timeout=120,
        )
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"


def test_the_guides_variables_are_those_that_the_image_is_tested_with():
    from test_image import GUIDE

    text = (ROOT / "docs/deploy-docker.md").read_text()
    command = next(b for b in re.findall(r"^```sh\n(.*?)^```$", text, re.M | re.S) if "docker run -d --name spanferry \\\n" in b)
    words = shlex.split(command.split("\n", 1)[1])
    assert words[:2] == ["docker", "run"] and words[-1] == "spanferry" and "-v" not in words
    told = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-e")
    assert told.keys() == GUIDE.keys() | {"DATABRICKS_HOST"}
    same = GUIDE.keys() - {"DATABRICKS_TOKEN"}
    assert {name: told[name] for name in same} == {name: GUIDE[name] for name in same}
