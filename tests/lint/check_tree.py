"""House rules that no compiler knows, over the files git tracks. usage: check_tree.py [ROOT]"""
import pathlib
import re
import subprocess
import sys

MAX_LINES = 700  # a file is one idea
MAX_BLOB_BYTES = 512 << 10
AS_IS = {"tests/e2e/fake_workspace.py"}  # kept as it came
CODE = {".cpp", ".hpp", ".py", ".sh"}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
LEFT_OPEN = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE_PATHS = re.compile(r"(?<![\w.])/(work|root)/")


def problems(root: pathlib.Path):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    for name in filter(None, tracked.split("\0")):
        path = root / name
        if name in AS_IS or not path.is_file():
            continue
        if path.stat().st_size > MAX_BLOB_BYTES:
            yield f"{name}: {path.stat().st_size} bytes; the tree is for sources"
        if BANNED_NAMES & {re.sub(r"\..*", "", part) for part in pathlib.Path(name).parts}:
            yield f"{name}: a name that says nothing"
        if path.suffix not in CODE | {".md", ".yaml", ".txt"} and path.name != "Makefile":
            continue
        lines = path.read_text(errors="replace").splitlines()
        if path.suffix in CODE and len(lines) > MAX_LINES:
            yield f"{name}: {len(lines)} lines; a file is one idea"
        for number, line in enumerate(lines, 1):
            if LEFT_OPEN.search(line):
                yield f"{name}:{number}: left open: {line.strip()[:80]}"
            if MACHINE_PATHS.search(line):
                yield f"{name}:{number}: a path of one machine"


if __name__ == "__main__":
    found = list(problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(found) or "tree: in order")
    sys.exit(bool(found))
