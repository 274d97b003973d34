#!/usr/bin/env bats
# U: scraped metrics as series and gates, and probes: a program that exposes what it does through the Prometheus client
# of Python; one that is slow to answer disturbs no sample.
load ../lib/seep.bash

setup() {
    seep_setup
    local python # the distribution's own has it, a newer one in front may not
    PYTHON=
    for python in python3 /usr/bin/python3; do
        [ -n "$PYTHON" ] || ! "$python" -c 'import prometheus_client' 2>/dev/null || PYTHON=$python
    done
    [ -n "$PYTHON" ] || skip "python3-prometheus-client is not installed"
    PORT=$(free_port)
    cat >app.py <<'PY'
import random, sys, time, threading
from prometheus_client import Counter, Gauge, Histogram, start_http_server
hits, attempts = Counter("cache_hits", "h"), Counter("cache_attempts", "a")
seconds = Histogram("http_seconds", "s", ["path"], buckets=[0.01, 0.1, 1])
overhead = Gauge("duration", "d", ["auth"])
jobs = Gauge("jobs", "open jobs")
scrapes = Gauge("scrapes_at_once", "never more than one")
overhead.labels("true").set(0.004)
overhead.labels("false").set(0.0035)
start_http_server(int(sys.argv[1]), addr="127.0.0.1")
print("ready", flush=True)
n = 0
while True:
    n += 1
    attempts.inc(10)
    hits.inc(9)
    seconds.labels("/x").observe(0.05)
    seconds.labels("/y").observe(0.5)
    jobs.inc(1)
    time.sleep(0.02)
PY
    cat >p.yaml <<YAML
version: 1
target: { command: [$PYTHON, $WORK/app.py, "$PORT"], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
run: { duration: 8s, interval: 100ms }
attribution: off
scrape:
  - url: http://127.0.0.1:$PORT/metrics
    metrics: [ jobs, "cache_*_total" ]
    series:
      cache_hit_rate: rate(cache_hits_total) / rate(cache_attempts_total)
      p99: histogram_quantile(0.99, http_seconds{path="/x"})
      overhead: duration{auth="true"} - duration{auth="false"}
      by_path: sum by (path) (rate(http_seconds_count))
YAML
}
teardown() { seep_teardown; }

@test "U11 rates, ratios, quantiles and differences are gates; growth of a scraped gauge is one too" {
    cat >gates.yaml <<'YAML'
version: 1
gates:
  - cache_hit_rate > 0.85
  - p99 < 100ms
  - overhead < 1ms
  - by_path{path="/x"} > 10
  - by_path > 10
  - jobs.growth < 1/h
  - cache_hits_total < 5
YAML
    run "$SEEP" run -q --name r -p ./p.yaml -p ./gates.yaml
    [ "$status" -eq 1 ]
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "pass", "pass", "pass", "inconclusive", "fail", "inconclusive"]'
    verdict r 'abs(v["gates"][0]["value"] - 0.9) < 0.02 and abs(v["gates"][2]["value"] - 0.0005) < 1e-6'
    # What no gate is about stands in the report too; a counter as its rate.
    verdict r '{s["name"]: s["unit"] for s in v["scraped"]} == {"jobs": "value", "cache_hits_total": "per_second", "cache_attempts_total": "per_second", "cache_hit_rate": "value", "p99": "value", "overhead": "value", "by_path": "value"}'
    verdict r 'all(s["min"] <= s["mean"] <= s["max"] and s["values"] > 1 for s in v["scraped"]) and [s["mean"] > 0 for s in v["scraped"] if s["name"] == "cache_attempts_total"] == [True]'
    run "$SEEP" report r
    [[ "$output" == *"scraped   "*"cache_attempts_total"*"/s"* ]]
    "$SEEP" report r -f md | grep -q '^### What the target exposed$'
    "$SEEP" report r -f html | grep -q 'id="h-scraped"'
    verdict r '"tell them apart by labels" in v["gates"][4]["reason"] and "rate()" in v["gates"][6]["reason"]'
}

@test "U12 a gate on a name that nothing makes, and an expression that is none, are refused with their place" {
    printf 'version: 1\ngates: [cache_hitrate > 0.5]\n' >g.yaml
    run "$SEEP" run -q -p ./p.yaml -p ./g.yaml
    [ "$status" -eq 2 ]
    [[ $output == *"g.yaml:2:9"*"did you mean 'cache_hit_rate'"* ]]
    run "$SEEP" run -q -p ./p.yaml -o 'scrape=[{url: "http://127.0.0.1:1/", series: {a: "rate(b"}}]'
    [ "$status" -eq 2 ]
    [[ $output == *"Here ')' should stand"* ]]
}

@test "U13 an endpoint that hangs is a gap of its own series and of nothing else" {
    local slow
    slow=$(free_port)
    python3 -c '
import socket, sys
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen(64)
held = []
while True: held.append(s.accept())
' "$slow" &
    local hanging=$!
    cat >slow.yaml <<YAML
version: 1
run: { duration: 4s }
scrape: [ { name: hung, url: "http://127.0.0.1:$slow/", metrics: [x], within: 60s }, { name: app, url: "http://127.0.0.1:$PORT/metrics", metrics: [jobs] } ]
gates: [ "jobs{scrape=app} > 0", x < 1 ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml -p ./slow.yaml
    kill "$hanging"
    sampled r 20 # of 40, of which a busy machine may miss some; one that waits for the endpoint has one
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "inconclusive"]'
}

@test "U14 probes: before, at the end and all the time; failures are gates; a command that hangs is killed whole" {
    cat >probes.yaml <<YAML
version: 1
run: { duration: 3s }
scrape: []
probes:
  - { name: metrics, http: "http://127.0.0.1:$PORT/metrics", contains: cache_hits_total, when: edges }
  - { name: port, tcp: "127.0.0.1:$PORT", when: continuous, every: 200ms }
  - { name: nobody, tcp: "127.0.0.1:$(free_port)", when: before }
  - { name: hangs, command: [sh, -c, "sleep 600 & sleep 600"], within: 300ms, when: end }
  - { name: words, command: [echo, all is well], contains: is well, when: end }
gates:
  - probe.failures{name=metrics} < 1
  - probe.failures{name=port} < 1
  - probe.failures{name=nobody} < 1
  - probe.failures{name=hangs} < 1
  - probe.failures{name=words} < 1
  - probe.time{name=hangs} < 5s
YAML
    run "$SEEP" run -q --name r -p ./p.yaml -p ./probes.yaml
    [ "$status" -eq 1 ]
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "pass", "fail", "fail", "pass", "pass"]'
    verdict r 'v["gates"][2]["value"] == 1 and v["gates"][3]["value"] == 1'
}

# Endpoints that are hostile in one way each, by path; /count tells how often each was asked.
hostile() { cat >vandal.py <<'PY'
import collections, http.server, sys, time
asked = collections.Counter()
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def send(self, data, status=200, headers=()):
        self.send_response(status)
        for k, v in headers: self.send_header(k, v)
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        p = self.path
        asked[p] += 1
        try:
            if p == "/good": self.send(b"# TYPE g gauge\ng{a=\"x\\\"y\\\\z\",b=\"\xc3\xa9\"} 7\n# TYPE c counter\nc_total %d\n" % (asked[p] % 10))
            elif p == "/endless":
                self.send(b"")
                while True: self.wfile.write(b"e{n=\"" + b"x" * 5000 + b"\"} 1\n")
            elif p == "/dribble":
                self.send(b"")
                while True: self.wfile.write(b"d 1\n"[:1]); self.wfile.flush(); time.sleep(0.05)
            elif p == "/many": self.send(b"".join(b"m{i=\"%d\"} %d\n" % (i, i) for i in range(60000)))
            elif p == "/line": self.send(b"l" * 3000000)
            elif p == "/junk": self.send(bytes(range(256)) * 200 + b"\nj{ 1\nj} 2\nj{a=\"\n\"} 3\nj 1e999\nj NaN\nj +Inf\nj 0x10\n# TYPE j\n# TYPE j histogram extra\nj 5 6 7 8\n")
            elif p == "/gzip": self.send(b"\x1f\x8b\x08\x00" + b"\x00" * 100000, headers=[("Content-Encoding", "gzip")])
            elif p == "/away": self.send(b"", 302, [("Location", "http://127.0.0.1:1/metrics")])
            elif p == "/error": self.send(b"e 1\n", 500)
            elif p == "/cut": self.send(b"cut 1", headers=[("Content-Length", "1000000")])
            elif p == "/count": self.send(repr(dict(asked)).encode())
        except OSError: pass
    def log_message(self, *a): pass
class S(http.server.ThreadingHTTPServer):
    daemon_threads = True
    def handle_error(self, *a): pass
S(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
    local path
    cat >v.yaml <<YAML
version: 1
target: { command: [/usr/bin/python3, $WORK/vandal.py, "$PORT"], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
run: { duration: 5s, interval: 250ms }
attribution: off
gates: [ "g > 6", rss.total_growth < 10GB ]
scrape:
YAML
    for path in good endless dribble many line junk gzip cut; do
        echo "  - { name: $path, url: \"http://127.0.0.1:$PORT/$path\", within: $([ "$path" = dribble ] && echo 200ms || echo 2s), metrics: [\"*\"] }" >>v.yaml
    done
}

@test "U15 hostile endpoints are gaps of their own, bounded in memory, asked at most once a tick, and the good one counts" {
    hostile
    run "$SEEP" run -q --name v -p ./v.yaml
    echo "$output"
    sampled v 10 # of 20, of which a busy machine may miss some
    verdict v 'v["gates"][0]["status"] == "pass" and v["gates"][0]["value"] == 7'
    verdict v 'v["evidence"]["seep"]["rss"] < 200e6'
    python3 - "$SEEP_RESULTS/v/run.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
labels = {l for (l,) in db.execute("select labels from series where name = 'scraped.g'")}
assert labels == {'a="x\\"y\\\\z",b="é",scrape="good"'}, labels
rows = db.execute("select count(*) from series where name like 'scraped.%'").fetchone()[0]
assert rows < 2100, rows
texts = [t for (t,) in db.execute("select text from event where kind in ('scrape', 'degraded')")]
for path in ("endless", "dribble", "line", "gzip", "cut"):
    assert any("'%s' gives no metrics" % path in t for t in texts), (path, texts)
assert any("'many' has more series than are kept" in t for t in texts), texts
assert len(texts) < 40
PY
    # A counter that falls (each ten scrapes) was started again: its rate is never negative.
    "$SEEP" report v -f csv >v.csv
    python3 - <<'PY'
import csv
rows = list(csv.DictReader(l for l in open("v.csv") if not l.startswith("#")))
name = next(n for n in rows[0] if "scraped.c_total" in n)
v = [float(r[name]) for r in rows if r[name]]
assert len(v) > 4 and min(v) >= 0 and max(v) > 0, v
PY
}

@test "U16 an endpoint is asked at most once a tick, also when it is slow, and a counter that starts again goes on" {
    hostile
    "$SEEP" run -q --name w -p ./v.yaml -o 'scrape=[{url: "http://127.0.0.1:'"$PORT"'/good", metrics: [g], series: {rate_c: "increase(c_total)"}}, {name: away, url: "http://127.0.0.1:'"$PORT"'/away", metrics: ["*"]}, {name: error, url: "http://127.0.0.1:'"$PORT"'/error", metrics: ["*"]}]' \
        -o 'gates=["rate_c >= 0", "rate_c < 100"]' -o 'probes=[{name: count, command: [sh, -c, "curl -s http://127.0.0.1:'"$PORT"'/count >'"$WORK"'/asked"], when: end}]' || true
    verdict w 'all(any("\x27%s\x27 gives no metrics" % p in e["text"] for e in v["events"]) for p in ("away", "error"))'
    verdict w '[g["status"] for g in v["gates"]] == ["pass", "pass"]'
    local ticks
    ticks=$(python3 -c 'import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute("select count(*) from tick").fetchone()[0])' "$SEEP_RESULTS/w/run.db")
    python3 -c 'import ast,sys; n=ast.literal_eval(open("asked").read())["/good"]; assert n <= int(sys.argv[1]), (n, sys.argv[1])' "$ticks"
}
