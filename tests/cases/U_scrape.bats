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
run: { duration: 6s, interval: 100ms }
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
    verdict r 'v["evidence"]["samples"] >= 40 and len(v["evidence"]["gaps"]) == 0'
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
