"""Workloads of tests/bench/attribution: programs nobody here wrote, at work for seconds to minutes, each of which leaves something behind
that must be the same byte for byte whoever watches: a compiler's object file, what a repository holds, a page's text, a database's sums."""
import glob
import hashlib
import os
import random
import shutil
import subprocess
import sys
import time

NODE_SCRIPT = """
const fs = require('fs'), zlib = require('zlib'), crypto = require('crypto');
let seed = 1; const next = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
const hash = crypto.createHash('sha256');
for (let round = 0; round < %d; round++) {
  const rows = Array.from({length: 20000}, (_, i) => ({id: i, name: 'name ' + next() %% 5000, tags: [next() %% 7, 'x' + next() %% 11]}));
  const text = JSON.stringify(rows), by = new Map();
  for (const r of JSON.parse(text)) { if (!by.has(r.name)) by.set(r.name, []); by.get(r.name).push(r.id); }
  const packed = zlib.deflateSync(text);
  hash.update(zlib.inflateSync(packed)).update([...by.keys()].sort().join()).update(text.replace(/name (\\d+)/g, '$1'));
  for (let i = 0; i < 2000; i++) hash.update(Buffer.alloc(next() %% 4096 + 4096, i));
}
fs.writeFileSync(process.argv[2], hash.digest('hex'));
"""

CXX_HEAD = "#include <algorithm>\n#include <functional>\n#include <iostream>\n#include <map>\n#include <regex>\n#include <string>\n#include <vector>\n"
CXX_PART = """
struct part%(n)d { std::map<std::string, std::vector<std::regex>> all; std::function<int(int)> f; int kind[%(n)d + 1]; };
int use%(n)d(part%(n)d &p, const std::string &s) {
  std::vector<std::pair<int, std::string>> q;
  for (auto &k : p.all) q.push_back({(int)k.second.size(), k.first});
  std::sort(q.begin(), q.end(), [](auto &a, auto &b) { return a.second < b.second; });
  for (auto &a : q) std::cout << a.second << std::regex_search(s, p.all[a.second][0]) << p.f(%(n)d);
  return (int)q.size();
}
"""

PAGE = """<!doctype html><title>page</title><body><script>
let seed = 1; const next = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff);
for (let round = 0; round < %d; round++) {
  const table = document.createElement('table');
  for (let i = 0; i < 400; i++) { const row = table.insertRow(); for (let j = 0; j < 6; j++) row.insertCell().textContent = 'cell ' + next() %% 1000; }
  document.body.replaceChildren(table); table.offsetHeight; table.querySelectorAll('td').forEach(c => { c.style.width = next() %% 90 + 'px'; }); table.offsetHeight;
}
</script>"""

TESTS = ("test_json", "test_re", "test_ast", "test_collections", "test_decimal", "test_dict", "test_set", "test_sort", "test_pickle", "test_xml_etree")
RUN_TESTS = """
import os, sys, unittest
names = ['test.' + n for n in %r]
r = unittest.TextTestRunner(stream=open(os.devnull, 'w')).run(unittest.defaultTestLoader.loadTestsFromNames(names))
open(sys.argv[1], 'w').write(repr((r.testsRun, len(r.failures), len(r.errors), len(r.skipped))))
"""

NGINX = """daemon off; worker_processes 1; pid %(d)s/pid; error_log %(d)s/error.log; user root;
events { worker_connections 512; }
http { access_log off; keepalive_requests 1000; gzip on; gzip_types text/plain; gzip_min_length 1; default_type text/plain;
  client_body_temp_path %(d)s/b; proxy_temp_path %(d)s/p; fastcgi_temp_path %(d)s/f; uwsgi_temp_path %(d)s/u; scgi_temp_path %(d)s/s;
  server { listen 127.0.0.1:%(port)d; location / { root %(d)s/www; } } }
"""


def digest(*paths):
    h = hashlib.sha256()
    for p in paths:
        h.update(open(p, "rb").read())
    return h.hexdigest().encode()


def quietly(command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **more)


def until(command):
    for _ in range(400):
        if quietly(command).returncode == 0:
            return
        time.sleep(0.05)


def compiler(make, scratch, scale):
    source, made = scratch + "/big.cc", scratch + "/big.o"
    open(source, "w").write(CXX_HEAD + "".join(CXX_PART % {"n": n} for n in range(max(1, int(4 * scale)))))
    return make("g++", ["g++", "-O2", "-c", source, "-o", made], ("g++",), product=lambda: digest(made))


def repository(scratch, scale):
    """As a stream for git fast-import: a few hundred files that change from commit to commit."""
    rng, lines = random.Random(1), {}
    with open(scratch + "/stream", "w") as out:
        for commit in range(max(2, int(60 * scale))):
            out.write("commit refs/heads/main\ncommitter a <a@example.org> %d +0000\ndata 1\nx\n" % (10**9 + commit))
            for n in rng.sample(range(300), 300 if commit == 0 else 40):
                text = lines.setdefault(n, ["line %d of %d" % (rng.randrange(10**6), n) for _ in range(400)])
                for _ in range(20):
                    text[rng.randrange(400)] = "line %d" % rng.randrange(10**6)
                body = "\n".join(text)
                out.write("M 100644 inline dir%d/file%d\ndata %d\n%s\n" % (n % 12, n, len(body), body))
    quietly(["git", "init", "-q", "--bare", scratch + "/bare"])
    subprocess.run(["git", "-C", scratch + "/bare", "fast-import", "--quiet"], stdin=open(scratch + "/stream"), check=True)


def git(make, scratch, scale):
    repo = scratch + "/repo"

    def fresh():
        if not os.path.exists(scratch + "/bare"):
            repository(scratch, scale)
        shutil.rmtree(repo, ignore_errors=True)
        shutil.copytree(scratch + "/bare", repo)

    def product():
        objects = quietly(["git", "-C", repo, "rev-list", "--objects", "--all"]).stdout
        return hashlib.sha256(objects).hexdigest().encode() + digest(*sorted(glob.glob(repo + "/objects/pack/*.pack")))

    return make("git gc", ["git", "-C", repo, "-c", "pack.threads=1", "gc", "-q", "--aggressive", "--prune=now"], ("git",), fresh=fresh, product=product)


def node(make, scratch, scale):
    script, made = scratch + "/work.js", scratch + "/node.out"
    open(script, "w").write(NODE_SCRIPT % max(1, int(30 * scale)))
    return make("node", ["node", script, made], ("node",), product=lambda: digest(made))


def python_tests(make, scratch, scale):
    with_tests = next((p for p in ("/usr/bin/python3", sys.executable) if quietly([p, "-c", "import test.test_json"]).returncode == 0), "python3 with its tests")
    script, made = scratch + "/tests.py", scratch + "/tests.out"
    open(script, "w").write(RUN_TESTS % (TESTS[:max(1, int(len(TESTS) * scale))],))
    return make("python's own tests", [with_tests, script, made], (with_tests,), product=lambda: digest(made))


def nginx(make, scratch, scale, port):
    d, page, got = scratch + "/nginx", scratch + "/nginx/www/page", scratch + "/nginx/got"
    os.makedirs(d + "/www")
    open(page, "w").write("".join("%d: some text that packs\n" % (i * 7919 % 10007) for i in range(400)))
    open(d + "/conf", "w").write(NGINX % {"d": d, "port": port})
    url = "http://127.0.0.1:%d/page" % port

    def drive():
        until(["curl", "-s", "-o", got, url])
        for more in ([], ["-k"]):
            quietly(["ab", "-q", "-c", "8", "-n", str(int(10000 * scale)), "-H", "Accept-Encoding: gzip"] + more + [url])
        quietly(["curl", "-s", "--compressed", "-o", got, url])
        quietly(["nginx", "-c", d + "/conf", "-p", d, "-s", "quit"])

    return make("nginx", ["nginx", "-c", d + "/conf", "-p", d], ("nginx", "ab", "curl"), drive=drive, product=lambda: digest(got))


def postgres(make, scratch, scale, port):
    where = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
    tool = lambda name: where[-1] + "/" + name if where else name
    base, data, sums = scratch + "/pg", scratch + "/pg/data", [b""]
    other = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    at = ["-h", "127.0.0.1", "-p", str(port), "-U", "seep"]
    query = "select sum(abalance), (select sum(tbalance) from pgbench_tellers), (select count(*) from pgbench_history) from pgbench_accounts"

    def fresh():
        shutil.rmtree(base, ignore_errors=True)
        os.makedirs(base)
        if other:
            shutil.chown(base, "postgres")
        quietly(other + [tool("initdb"), "-D", data, "-A", "trust", "-U", "seep", "--no-sync"], cwd="/")

    def drive():
        until([tool("psql")] + at + ["-d", "postgres", "-c", "select 1"])
        quietly([tool("pgbench")] + at + ["-i", "-q", "-s", "2", "postgres"])
        quietly([tool("pgbench")] + at + ["-c", "4", "-t", str(int(2500 * scale)), "--random-seed=1", "postgres"])
        sums[:] = [quietly([tool("psql")] + at + ["-d", "postgres", "-At", "-c", query]).stdout]
        quietly(other + [tool("pg_ctl"), "-D", data, "stop", "-m", "fast"], cwd="/")

    command = other + [tool("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", base, "-c", "fsync=off"]
    return make("postgres", command, (tool("postgres"), tool("pgbench")), fresh=fresh, drive=drive, product=lambda: sums[0])


def chromium(make, scratch, scale):
    page, made = scratch + "/page.html", scratch + "/dom"
    open(page, "w").write(PAGE % max(1, int(60 * scale)))
    line = "chromium --headless --no-sandbox --disable-gpu --user-data-dir=%s/chromium --dump-dom file://%s >%s 2>/dev/null" % (scratch, page, made)
    return make("chromium", ["sh", "-c", line], ("chromium",), fresh=lambda: shutil.rmtree(scratch + "/chromium", ignore_errors=True),
                product=lambda: digest(made))


def workloads(make, scale, scratch, free_port):
    """make: Workload of tests/bench/attribution."""
    os.chmod(scratch, 0o755)
    return [compiler(make, scratch, scale), git(make, scratch, scale), node(make, scratch, scale), python_tests(make, scratch, scale),
            nginx(make, scratch, scale, free_port()), postgres(make, scratch, scale, free_port()), chromium(make, scratch, scale)]
