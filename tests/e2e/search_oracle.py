"""Searches asked of MLflow's own SQL store and of one of our programs, on the same things."""
import json
import subprocess

from mlflow.exceptions import MlflowException


def theirs(search, is_refusal=lambda refusal: True):
    """["ok", ids…], ["refused", why], or ["broken", why]: the server's own error, which it answers with a 500."""
    try:
        return ["ok", *search()]
    except MlflowException as refusal:
        return ["refused" if is_refusal(refusal) else "broken", str(refusal)]
    except Exception as broken:
        return ["broken", repr(broken)]


def compare(program, things, asked, ask_them, seed):
    """Each of `asked` to the program, which reads the file `things`, and to ask_them(one). How often it was what (`counts`), and
    how many found something; fails where they differ, unless the server is broken."""
    told = subprocess.run([program, things], input="".join(json.dumps(a) + "\n" for a in asked), text=True,
                          capture_output=True, check=True).stdout.splitlines()
    assert len(told) == len(asked)
    wrong, counts = [], {"ok": 0, "refused": 0, "broken": 0}
    for one, line in zip(asked, told):
        us, them = line.split(" "), ask_them(one)
        counts[them[0]] += 1
        if them[0] != "broken" and (us[0] != them[0] or (us[0] == "ok" and us != them)):
            wrong.append((one, line[:200], them[:20]))
    found = sum(len(line.split()) > 1 for line in told)
    print(f"{counts}, {found} with results, seed {seed}")
    assert not wrong, f"seed {seed}: {len(wrong)} differ: " + "\n".join(map(str, wrong[:20]))
    return counts, found
