#!/usr/bin/env python3
"""Compares the stacks of a run with what the programs of the zoo say of themselves (tests/targets/zoo/zoo.h).

usage: zoo.py RESULTS/RUN        exit 1 when any site is missing or differs; prints a line each
Left out on both sides: frames of the C library and the loader below and between, and library code other than operator new.
"""
import fnmatch
import json
import re
import sys


def truths(log):
    for line in open(log, errors="replace"):
        m = re.match(r"zoo (\d+) (exact|cut) (\S.*)$", line)
        if m:
            yield int(m[1]), m[2], m[3]


def ours(frame):
    module = frame["module"].rsplit("/", 1)[-1]
    if re.match(r"(libc|ld-linux|libm|libgcc_s|libpthread)[-.]", module) or module == "[vdso]":
        return False
    return frame["library"] == "no" or (frame["function"] or "").startswith("operator new")


def chain(stack):
    names = [(f["function"] or "?") + ("~" if f["inlined"] == "yes" else "") for f in stack["frames"] if ours(f)]
    for i, name in enumerate(names):
        if name in ("main", "zoo_rust::main"):
            return names[: i + 1]
    return names


# '*' alone stands for any number of frames, also none.
def matches(want, have):
    if not want:
        return not have
    if want[0] == "*":
        return any(matches(want[1:], have[i:]) for i in range(len(have) + 1))
    return bool(have) and fnmatch.fnmatchcase(have[0], want[0].replace("[", "[[]")) and matches(want[1:], have[1:])


def main():
    verdict = json.load(open(sys.argv[1] + "/verdict.json"))
    stacks = {}
    for s in verdict["stacks"]:
        if s["live_blocks"] and s["live_bytes"] % s["live_blocks"] == 0:
            stacks.setdefault(s["live_bytes"] // s["live_blocks"], []).append(s)
    bad = n = 0
    for size, kind, text in truths(sys.argv[1] + "/target.log"):
        n += 1
        found = stacks.get(size, [])
        fit = [s for s in found if matches(text.split(";"), chain(s)) and s["truncated"] == ("yes" if kind == "cut" else "no")]
        ok = len(found) > 0 and len(fit) == len(found)
        bad += not ok
        print(f"{'ok     ' if ok else 'DIFFERS'} {size} {kind} {text}")
        for s in [] if ok else found or [None]:
            print("        found " + ("nothing" if s is None else f"truncated={s['truncated']} {';'.join(chain(s))}"))
    print(f"{n} sites, {bad} differ")
    return bad > 0 or n == 0


sys.exit(main())
