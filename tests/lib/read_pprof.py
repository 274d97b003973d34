#!/usr/bin/python3
"""Reads a pprof profile with protoc and checks that it holds together. Prints one line a sample:
   outermost;...;innermost|VALUE ...|key=value ...   with function names, and before them lines about types and mappings.
Usage: read_pprof.py FILE"""
import gzip
import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))


def decode(path):
    with gzip.open(path) as f:
        plain = f.read()
    text = subprocess.run(["protoc", "--proto_path=" + here, "--decode=pprof.Profile", os.path.join(here, "pprof.proto")],
                          input=plain, stdout=subprocess.PIPE, check=True).stdout
    return parse(text.decode("utf-8").splitlines())


def scalar(text):
    if text.startswith('"'):
        return bytes(text[1:-1], "ascii").decode("unicode_escape").encode("latin-1").decode("utf-8")
    return text == "true" if text in ("true", "false") else int(text)


def parse(lines):
    """protoc's text form as dictionaries: every field is a list. A field without a name is one we do not know."""
    top = {}
    stack = [top]
    for line in lines:
        line = line.strip()
        if line.endswith("{"):
            child = {}
            stack[-1].setdefault(line[:-1].strip(), []).append(child)
            stack.append(child)
        elif line == "}":
            stack.pop()
        elif line:
            name, value = line.split(": ", 1)
            assert not name.isdigit(), "unknown field " + line
            stack[-1].setdefault(name, []).append(scalar(value))
    return top


def by_id(items):
    table = {item["id"][0]: item for item in items}
    assert len(table) == len(items) and 0 not in table, "ids are not unique"
    return table


def main():
    p = decode(sys.argv[1])
    strings = p["string_table"]
    assert strings[0] == "" and len(set(strings)) == len(strings)

    def text(item, field):
        return strings[item.get(field, [0])[0]]

    types = p["sample_type"]
    mappings, functions = by_id(p.get("mapping", [])), by_id(p.get("function", []))
    locations = by_id(p.get("location", []))
    print("types", *(text(t, "type") + "/" + text(t, "unit") for t in types))
    print("default", strings[p["default_sample_type"][0]])
    for m in mappings.values():
        assert re.fullmatch("[0-9a-f]*", text(m, "build_id"))
        print("mapping", m["id"][0], text(m, "filename"), text(m, "build_id"))
    for c in p.get("comment", []):
        print("comment", strings[c])
    used = set()
    for s in p.get("sample", []):
        assert len(s["value"]) == len(types)
        names = []
        for location_id in reversed(s["location_id"]):
            location = locations[location_id]
            used.add(location_id)
            if "mapping_id" in location:
                m = mappings[location["mapping_id"][0]]
                assert m.get("memory_start", [0])[0] <= location.get("address", [0])[0] <= m["memory_limit"][0]
            names += [text(functions[line["function_id"][0]], "name") for line in reversed(location["line"])]
        labels = sorted(text(label, "key") + "=" + (text(label, "str") or str(label.get("num", [0])[0]))
                        for label in s.get("label", []))
        print(";".join(names) + "|" + " ".join(map(str, s["value"])) + "|" + " ".join(labels))
    assert used == set(locations), "a location that no sample uses"


main()
