"""Holds the includes against docs/architecture.md: who may look at whom. usage: check_includes.py [ROOT]"""
import pathlib
import re
import sys

ALLOWED = {
    "model": set(),
    "spool": {"model"},
    "net": {"model"},
    "ingest": {"spool", "net", "model"},
    "uploader": {"spool", "net", "model"},
    "console": {"spool", "net", "model"},
    "config": {"model"},
    "daemon": {"config", "ingest", "uploader", "console", "spool", "net", "model"},
}
SETTINGS_ONLY = {"config": {"ingest", "spool", "uploader"}}  # their settings.hpp and nothing else
INCLUDE = re.compile(r'^\s*#\s*include\s+"(([a-z_]+)/[^"]+)"', re.M)


def problems(root: pathlib.Path):
    for folder, allowed in ALLOWED.items():
        for file in sorted((root / folder).rglob("*")):
            if file.suffix not in (".hpp", ".cpp"):
                continue
            for match in INCLUDE.finditer(file.read_text()):
                path, other = match.groups()
                if other == folder or other in allowed:
                    continue
                if other in SETTINGS_ONLY.get(folder, ()) and path == f"{other}/settings.hpp":
                    continue
                line = file.read_text()[: match.start()].count("\n") + 1
                yield f"{file.relative_to(root)}:{line}: {folder} may not include {path}"


if __name__ == "__main__":
    found = list(problems(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
    print("\n".join(found) or "includes: every folder looks only where it may")
    sys.exit(bool(found))
