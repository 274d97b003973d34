"""What third-party readers make of files that seep wrote.

    read_report.py FORMAT FILE...           prints it as JSON
    read_report.py FORMAT -e TRUE FILE...   asserts a Python expression over it as `v` (the bytes of the file as `raw`)

junit        python3-junitparser, and expat for well-formedness
sarif        the schema of OASIS, from npm's @microsoft/jest-sarif, by python3-jsonschema
openmetrics  the parser of python3-prometheus-client
tap          npm's tap-parser
md           cmark-gfm, the Markdown of GitHub: to HTML, with tables

Exit status: 0 accepted, 1 refused, 77 the reader is not installed (said on standard error).
"""
import json
import os
import subprocess
import sys
import xml.etree.ElementTree

NPM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "npm")


def missing(what):
    print(f"{what} is not installed: scripts/setup --with-tests", file=sys.stderr)
    sys.exit(77)


def junit(path):
    try:
        import junitparser
    except ImportError:
        missing("python3-junitparser")
    known = {
        "testsuites": {"name", "tests", "failures", "errors", "time"},
        "testsuite": {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
        "properties": set(),
        "property": {"name", "value"},
        "testcase": {"name", "classname", "time"},
        "failure": {"message", "type"},
        "error": {"message", "type"},
        "skipped": {"message"},
        "system-out": set(),
    }
    for element in xml.etree.ElementTree.parse(path).iter():  # what the schema of Jenkins knows
        assert element.tag in known, element.tag
        assert set(element.attrib) <= known[element.tag], element.attrib
    suites = junitparser.JUnitXml.fromfile(path)
    cases = []
    for suite in suites:
        for case in suite:
            words = [type(r).__name__.lower() for r in case.result] or ["passed"]
            cases.append({"name": case.name, "class": case.classname, "result": words[0], "out": case.system_out,
                          "message": case.result[0].message if case.result else None,
                          "text": case.result[0].text if case.result else None})
        assert suite.tests == len(cases), (suite.tests, len(cases))
        assert suite.failures == sum(c["result"] == "failure" for c in cases)
        assert suite.errors == sum(c["result"] == "error" for c in cases)
        assert suite.skipped == sum(c["result"] == "skipped" for c in cases)
    return {"cases": cases, "tests": suites.tests, "failures": suites.failures, "errors": suites.errors}


def sarif(path):
    try:
        import jsonschema
    except ImportError:
        missing("python3-jsonschema")
    schema = os.path.join(NPM, "node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json")
    if not os.path.exists(schema):
        missing("the schema of SARIF (npm)")
    schema = json.load(open(schema))
    log = json.load(open(path))
    jsonschema.validators.validator_for(schema)(schema).validate(log)
    return log


def openmetrics(path):
    try:
        from prometheus_client.openmetrics.parser import text_string_to_metric_families
    except ImportError:
        missing("python3-prometheus-client")
    families = {}
    for family in text_string_to_metric_families(open(path, encoding="utf-8").read()):
        samples = [{"name": s.name, "labels": dict(s.labels), "value": s.value} for s in family.samples]
        families[family.name] = {"type": family.type, "unit": family.unit, "samples": samples}
    return families


def tap(path):
    if not os.path.exists(os.path.join(NPM, "node_modules/tap-parser")):
        missing("tap-parser (npm)")
    done = subprocess.run(["node", os.path.join(NPM, "read_tap.mjs")], stdin=open(path), stdout=subprocess.PIPE, text=True)
    out = json.loads(done.stdout)
    assert done.returncode == 0, out
    return out


def md(path):
    try:
        done = subprocess.run(["cmark-gfm", "-e", "table", path], stdout=subprocess.PIPE, text=True, check=True)
    except FileNotFoundError:
        missing("cmark-gfm")
    return {"html": done.stdout}


def main(name, args):
    read = {f.__name__: f for f in (junit, sarif, openmetrics, tap, md)}[name]
    expression = args[1] if args[0] == "-e" else None
    for path in args[2:] if expression else args:
        v = read(path)
        if expression is None:
            print(json.dumps(v))
        elif not eval(expression, {"v": v, "raw": open(path, "rb").read(), "json": json}):
            sys.exit(f"{path}: not so: {expression}\n{json.dumps(v)[:4000]}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
