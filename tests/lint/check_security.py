"""Holds the table of attacks in docs/security.md against the tests: every row names a test that is there, and every
test of tests/e2e/test_attacks_*.py has a row. usage: check_security.py [ROOT]"""
import pathlib
import re
import sys

LEAST_ATTACKS = 30
ROW = re.compile(r"^\|.*\| *((?:`[^`]+`(?:, *)?)+) *\|$", re.M)
PYTHON = re.compile(r"^def (test_\w+)\(", re.M)
GOOGLE = re.compile(r"^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\)", re.M)


def tests_there(root):
    found = {}
    for file in sorted((root / "tests").rglob("*.py")):
        for name in PYTHON.findall(file.read_text()):
            found[f"{file.stem}::{name}"] = file
    for file in sorted((root / "tests" / "unit").rglob("*_test.cpp")):
        for suite, name in GOOGLE.findall(file.read_text()):
            found[f"{suite}.{name}"] = file
    return found


def problems(root: pathlib.Path):
    text = (root / "docs" / "security.md").read_text()
    there = tests_there(root)
    rows = ROW.findall(text)
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    if len(rows) < LEAST_ATTACKS:
        yield f"docs/security.md: {len(rows)} attacks, of at least {LEAST_ATTACKS}"
    for name in named:
        if name not in there:
            yield f"docs/security.md: there is no test {name}"
    for name, file in there.items():
        if file.stem.startswith("test_attacks") and name not in named:
            yield f"{file.relative_to(root)}: {name} has no row in docs/security.md"


if __name__ == "__main__":
    found = list(problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(found) or "security: every attack has its test")
    sys.exit(bool(found))
