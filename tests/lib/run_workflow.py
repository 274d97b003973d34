"""Does what a GitHub workflow does, here: for jobs without a runner to try them on.

    run_workflow.py FILE.yml --project REPOSITORY --work DIR [--job NAME]... [--input NAME=VALUE]... [--env NAME=VALUE]...

Jobs go one after the other, each in a fresh clone of the project. Every `run:` of a step is given to bash as GitHub gives
it (-eo pipefail), with the environment that workflow, job and step declare and the files GITHUB_ENV, GITHUB_OUTPUT and
GITHUB_STEP_SUMMARY. Of what `uses:` names: checkout clones (the one with a path puts --seep there), upload-artifact copies
to DIR/artifacts and download-artifact from there; others are named and passed over. Of `if:` only always() is understood:
a step without it is passed over once one failed. Prints a line a step; exit status 1 when a step failed.
"""
import argparse
import glob
import os
import re
import shutil
import subprocess
import sys

import yaml


def expand(text, inputs):
    def value(found):
        name = found.group(1)
        return inputs.get(name[7:], "") if name.startswith("inputs.") else ""

    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", value, str(text))


class Job:
    def __init__(self, name, args, inputs, env):
        self.name, self.args, self.inputs, self.env = name, args, inputs, dict(env)
        self.dir = os.path.join(args.work, "jobs", name)
        home = os.path.join(args.work, f"{name}.home")  # each job has a machine of its own
        os.makedirs(self.dir)
        os.makedirs(home)
        self.own = {"HOME": home}
        for key in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
            self.own[key] = os.path.join(args.work, f"{name}.{key.lower()}")
            open(self.own[key], "a").close()
        self.failed = False

    def uses(self, step):
        action, given = step["uses"], step.get("with") or {}
        if action.startswith("actions/checkout"):
            if "path" in given:
                os.symlink(os.path.abspath(self.args.seep), os.path.join(self.dir, given["path"]))
            else:
                subprocess.run(["git", "clone", "-q", self.args.project, self.dir], check=True)
        elif action.startswith("actions/upload-artifact"):
            path = os.path.join(self.dir, expand(given["path"], self.inputs))
            if os.path.isdir(path):
                shutil.copytree(path, os.path.join(self.args.work, "artifacts", given["name"]))
            assert int(given["retention-days"]) in (30, 90, 365), given
        elif action.startswith("actions/download-artifact"):
            for found in glob.glob(os.path.join(self.args.work, "artifacts", given["pattern"])):
                shutil.copytree(found, os.path.join(self.dir, given["path"], os.path.basename(found)))
        else:
            return "passed over"
        return "done"

    def run(self, step):
        env = dict(os.environ, **self.env, **self.own, GITHUB_WORKSPACE=self.dir)
        env.update({k: expand(v, self.inputs) for k, v in (step.get("env") or {}).items()})
        out = subprocess.run(["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]], cwd=self.dir,
                             env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        sys.stdout.write("".join(f"    {line}\n" for line in out.stdout.splitlines()[-30:]))
        return f"exit {out.returncode}", out.returncode == 0

    def step(self, step):
        name = step.get("name") or step.get("uses") or step["run"].splitlines()[0]
        if self.failed and "always()" not in str(step.get("if", "")):
            how, right = "not run", True
        elif "uses" in step:
            how, right = self.uses(step), True
        else:
            how, right = self.run(step)
        self.failed |= not right
        print(f"{self.name}: {name}: {how}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--project", required=True)
    parser.add_argument("--seep", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--job", action="append")
    parser.add_argument("--input", action="append", default=[])
    parser.add_argument("--env", action="append", default=[])
    args = parser.parse_args()
    flow = yaml.safe_load(open(args.file))
    declared = (flow.get(True) or flow.get("on") or {}).get("workflow_dispatch") or {}
    inputs = {name: str(how.get("default", "")) for name, how in (declared.get("inputs") or {}).items()}
    inputs.update(pair.split("=", 1) for pair in args.input)
    given = dict(pair.split("=", 1) for pair in args.env)
    failed = False
    for name, job in flow["jobs"].items():
        if args.job and name not in args.job:
            continue
        env = {k: expand(v, inputs) for part in (flow.get("env"), job.get("env")) for k, v in (part or {}).items()}
        one = Job(name, args, inputs, dict(env, **given))
        for step in job["steps"]:
            one.step(step)
        failed |= one.failed
    sys.exit(failed)


main()
