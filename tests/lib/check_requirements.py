"""Is what docs/REQUIREMENTS.md says there? check_requirements.py SEEP SOURCE

Every word between backticks in its tables must be one of the kinds below, and hold: a command line whose command and
options exist, a profile, a gate that some shipped profile accepts, a key of profiles, a file. What fits none is told,
so the page cannot name what nobody can type. And every requirement has a row.
"""
import fnmatch
import functools
import glob
import os
import re
import shlex
import subprocess
import sys
import tempfile

SEEP, SOURCE = sys.argv[1:3]
FAMILIES = {"S0": 26, "S1": 27, "S2": 19, "S3": 33, "S4": 20}
BASE = ["-o", "vars.base_url=http://127.0.0.1:1"]


@functools.lru_cache(None)
def seep(*words):
    return subprocess.run([SEEP, *words], capture_output=True, text=True, timeout=60)


PROFILES = sorted(f[:-5] for f in os.listdir(SOURCE + "/profiles") if f.endswith(".yaml"))
TEXTS = {p: open(f"{SOURCE}/profiles/{p}.yaml").read() for p in PROFILES}
WITH_LOAD = [p for p in PROFILES if "\nload:" in TEXTS[p]]
COMMANDS = set(re.findall(r"^  ([a-z]+) ", seep("--help").stdout.split("Commands:")[1].split("Exit status")[0], re.M))
KEYS = [re.sub(r"\[\]", "", k) for k in re.findall(r"^([a-z_\[\].]+)  \(", seep("profiles", "--keys").stdout, re.M)]
LOAD_PAGE = open(SOURCE + "/docs/LOAD.md").read()
FAULTS_PAGE = open(SOURCE + "/docs/FAULTS.md").read()


def checks(profile, *overrides):
    words = list(BASE)
    for o in overrides:
        words += ["-o", o]
    return seep("profiles", "check", profile, *words).returncode == 0


def is_key(path):
    return any(k == path or k.endswith("." + path) for k in KEYS)


def accepted_gate(item):
    """By some shipped profile: names in labels must be of its parts."""
    return any(checks(p, "gates=[" + item + "]") for p in WITH_LOAD)


def metric(name):
    name = name.replace("{name=...}", "{name=payment_success}")
    name = "http.p95" + name if name.startswith("{") else name
    return any(accepted_gate('"%s < %s"' % (name, limit)) for limit in ("1s", "1/s", "1%", "1", "1MB"))


def options_of(command):
    return set(re.findall(r"(?<![\w-])(--?[A-Za-z][a-z-]*)", seep(command, "--help").stdout))


def command_line(text):
    words = shlex.split(text)[1:]
    if words[0] not in COMMANDS:
        return f"there is no command {words[0]}"
    have, shown = options_of(words[0]), seep(words[0], "--help").stdout
    for i, w in enumerate(words[1:], 1):
        before = words[i - 1]
        if w.startswith("-"):
            if w.split("=")[0] not in have:
                return f"{words[0]} has no option {w}"
        elif before == "-p" and not w.isupper() and w not in PROFILES:
            return f"there is no profile {w}"
        elif before == "-f" and not re.search(r"\b%s\b" % re.escape(w), shown):
            return f"{words[0]} has no format {w}"
        elif i == 1 and words[0] == "load" and w not in PROFILES:
            return f"there is no profile {w}"
        elif i == 1 and words[0] == "baseline" and not re.search(r"\b%s\b" % w, shown):
            return f"baseline cannot {w}"
    return None


def override(text):
    pair = text.replace("...", "5").replace("${env:SARK_URL}", "http://127.0.0.1:1")
    return any(checks(p, pair) for p in PROFILES if not p.startswith("fault"))


def scraped(text):
    name, expression = text.split(": ", 1)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as f:
        f.write("version: 1\ntarget: { command: [x] }\nscrape:\n  - url: http://127.0.0.1:1/m\n    series:\n"
                "      %s: '%s'\ngates: ['%s < 1']\n" % (name, expression, name))
        f.flush()
        return seep("profiles", "check", f.name).returncode == 0


def wrong(span, row):
    if re.fullmatch(r"[A-Z]\d\d", span):
        return None  # scripts/check-docs looks for the case
    if span.startswith("seep "):
        return command_line(span)
    if span in PROFILES or ("*" in span and fnmatch.filter(PROFILES, span)):
        return None
    if span.startswith("scripts/"):
        return None if os.access(f"{SOURCE}/{span}", os.X_OK) else "there is no such script"
    if span.startswith("-o "):
        return None if override(shlex.split(span)[1]) else "no shipped profile takes that"
    if span.startswith("-"):
        known = options_of("run") | options_of("load")
        return None if span.split()[0] in known else "neither run nor load has that option"
    if span.startswith("${"):
        return None if "`" + span.split(":")[0] + ":" in LOAD_PAGE else "nothing is put in for that"
    if span.startswith("{ over") or span.startswith("{ gate"):
        item = span.replace("{ over", '{ gate: "http.errors < 1%", over')
        return None if accepted_gate(item) else "no shipped profile takes that gate"
    if re.search(r" (<|<=|>|>=) ", span) and ":" not in span:
        return None if accepted_gate(f'"{span}"') else "no shipped profile takes that gate"
    if re.match(r"(http|load|metric|fault|dependency|target)\.[a-z0-9_]+(\{|$)|\{[a-z]+=", span) and metric(span):
        return None
    if "{" in span and "=" in span and scraped(span):
        return None
    path = re.match(r"[a-z_.]+", span)
    if path and is_key(path[0].rstrip(".")):
        return None
    if span.startswith("vars."):
        own = [p for p in PROFILES if p in row]
        return None if any(re.search(r"\b%s:" % span[5:], TEXTS[p]) for p in own) else "its profile has no such variable"
    name = span.split(":")[0]
    if any(re.search(r"^ +%s:" % re.escape(name), t, re.M) or name + ":" in t for t in TEXTS.values()):
        return None  # something a profile calls so: a metric, a header
    if span + "(" in FAULTS_PAGE:
        return None  # a figure of gates across variants
    if "${env:%s}" % span in row:
        return None
    for command in COMMANDS & set(re.findall(r"`seep ([a-z]+)", row)):
        if re.search(r"\b%s\b" % re.escape(span), seep(command, "--help").stdout):
            return None  # a word of a command that the row names
    for place in ("README.md", "docs/LOAD.md", "docs/SIGNOFF.md"):
        if re.search(r"\b%s\b" % re.escape(span), open(f"{SOURCE}/{place}").read()):
            return None
    if any(f'"{span}"' in open(schema).read() for schema in glob.glob(f"{SOURCE}/docs/schema/*.json")):
        return None  # a member of what seep writes as JSON
    return "nothing of that name is known"


def rows_of(cell, family):
    """"02, 03", "13..15" -> numbers."""
    for part in re.findall(r"(\d+)(?:\.\.(\d+))?", cell.replace(family + "-", "")):
        yield from range(int(part[0]), int(part[1] or part[0]) + 1)


def main():
    bad, seen, spans = [], {f: set() for f in FAMILIES}, 0
    for number, line in enumerate(open(SOURCE + "/docs/REQUIREMENTS.md"), 1):
        id_cell = re.match(r"\| (S\d)-([^|]*)\|", line)
        if not id_cell:
            continue
        seen[id_cell[1]] |= set(rows_of(id_cell[2], id_cell[1]))
        for span in re.findall(r"`([^`]+)`", line):
            spans += 1
            why = wrong(span, line)
            if why:
                bad.append(f"line {number}: {span}: {why}")
    for family, last in FAMILIES.items():
        for missing in sorted(set(range(1, last + 1)) - seen[family]):
            bad.append(f"{family}-{missing:02} has no row")
    print("\n".join(bad))
    assert spans > 150, spans
    return 1 if bad else 0


sys.exit(main())
