#!/usr/bin/env bats
# The load's figures apart and together: by load, step and transaction, in several processes; the search for the limit of
# a server whose limit is known; a generator that is held up.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { unserve; seep_teardown; }

# serve NAME WORD...: a server of ours on a port of its own; sets PORT
serve() {
    "$SEEP_BUILD/targets/$1" "${@:2}" >server.out &
    echo $! >>servers
    wait_for 10 grep -q '^listening on' server.out
    PORT=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' server.out | head -n 1)
}
unserve() { # also from teardown, after a case that failed or was left out in the middle
    [ -e servers ] || return 0
    while read -r pid; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done <servers
    rm servers
}

# said FILE SCHEMA EXPRESSION: FILE is valid by docs/schema/SCHEMA, and EXPRESSION over it (d) is true.
said() {
    python3 - "$SEEP_SOURCE/docs/schema/$2" "$1" "$3" <<'PY'
import json, sys, jsonschema
d = json.load(open(sys.argv[2]))
jsonschema.validate(d, json.load(open(sys.argv[1])))
r = eval(sys.argv[3])
print(r if r not in (False, None) else f"not so: {sys.argv[3]}\n{json.dumps(d)[:6000]}")
sys.exit(0 if r not in (False, None) else 1)
PY
}

several() { # several: two loads, one of steps, in two processes; gates on their parts
    cat >load.yaml <<YAML
version: 1
name: several
load:
  - name: users
    users: 3
    think: 10ms
    workers: 2
    scenarios:
      - name: shop
        steps:
          - {name: home, request: {url: "http://127.0.0.1:$PORT/health"}}
          - {name: login, transaction: buy, request: {method: POST, url: "http://127.0.0.1:$PORT/login", body: user=bob}}
          - {name: list, transaction: buy, request: {url: "http://127.0.0.1:$PORT/items?id=3"}}
  - name: attackers
    rate: 100/s
    workers: 2
    scenarios:
      - {name: wrong, request: {url: "http://127.0.0.1:$PORT/nothing"}, expect: {status: 404}}
gates:
  - http.p95{step=login} < 20s
  - http.p95{transaction=buy} < 20s
  - http.errors{load=attackers} < 1%
  - load.requests{scenario=shop} > 5
  - load.iterations > 1e9
YAML
}

@test "S31 two loads in two processes: every part has its figures, which add up, and its gates" {
    serve demo_service --port 0
    several
    run "$SEEP" load load.yaml -d 3s -q -f json
    [ "$status" = 1 ] # the last gate
    echo "$output" >load.json
    said load.json seep.load.1.json '(lambda l: l["requests"] == sum(x["requests"] for x in l["loads"]) == sum(x["requests"] for x in l["scenarios"])
        and [x["name"] for x in l["scenarios"][0]["steps"]] == ["home", "login", "list"]
        and l["scenarios"][0]["requests"] == sum(x["requests"] for x in l["scenarios"][0]["steps"])
        and l["scenarios"][0]["transactions"][0]["passes"] == l["scenarios"][0]["iterations"] > 5
        and l["scenarios"][0]["transactions"][0]["duration_us"]["p50"] >= l["scenarios"][0]["steps"][1]["latency_us"]["min"]
        and l["status_codes"]["404"] == l["loads"][1]["requests"] and l["status_codes"]["200"] == l["loads"][0]["requests"]
        and abs(l["loads"][1]["offered"] - 100 * l["seconds"]) < 60
        and l["generator"]["workers"] == 2 and l["generator"]["workers_lost"] == 0)(d["load"])'
    # Of a generator that was late the response times decide nothing.
    said load.json seep.load.1.json '([g["status"] for g in d["gates"]][3:] == ["pass", "fail"] and {g["status"] for g in d["gates"][:3]}
        <= ({"pass"} if d["load"]["generator"]["status"] == "ok" else {"pass", "inconclusive"}))'
    unserve
}

@test "S32 the same in a run: stored, gated, reported, and its response times read by another program" {
    serve demo_service --port 0
    several
    sed -i '/1e9/d' load.yaml
    printf 'target: {command: [sleep, "60"], life: service}\nrun: {duration: 4s, drain: 500ms}\nattribution: {mode: off}\nshutdown: off\n' >>load.yaml
    run "$SEEP" run -p load.yaml --name several
    valid_verdict several
    verdict several '{g["name"]: g["status"] for g in v["gates"]}["http.p95{transaction=buy}"] in ("pass", "inconclusive")'
    verdict several 'v["load"]["scenarios"][0]["steps"][2]["requests"] == v["load"]["scenarios"][0]["transactions"][0]["passes"] > 5'
    verdict several 'v["load"]["status_codes"]["404"] == v["load"]["loads"][1]["requests"]'
    "$SEEP" report several -f html >page.html
    grep -q 'transaction</span>' page.html
    "$SEEP" report several -f hdr >run.hlog
    [ -d "$SEEP_SOURCE/tests/npm/node_modules/hdr-histogram-js" ] || skip "hdr-histogram-js is not installed"
    node "$SEEP_SOURCE/tests/npm/read_hlog.mjs" run.hlog >intervals
    grep -q '^load=users;scenario=shop;step=login ' intervals
    [ "$(awk '$1 == "-" { n++ } END { print n + 0 }' intervals)" -ge 4 ] # the whole by windows of time
    unserve
}

@test "S33 the limit of a server is found, what failed first, the way back, and how many at once it takes" {
    serve capacity_http 0 5000 # 200 requests a second, one after the other
    cat >load.yaml <<YAML
version: 1
name: limit
load: {rate: 100/s, scenarios: [{name: a, request: {url: "http://127.0.0.1:$PORT/", timeout: 5s}}]}
gates: [http.p95 < 100ms, http.errors < 1%]
YAML
    run bash -c '"$@" 2>/dev/null' _ "$SEEP" load load.yaml --find-limit --limit-settle 300ms --limit-measure 1s \
        --limit-precision 25% --at-once 10 --at-once-under 300% -f json
    echo "$output" >limit.json
    cat limit.json
    unserve
    [ "$status" = 1 ] # ten at once take ten times as long
    ! grep -q '"outcome": "generator"' limit.json || skip "the machine was too busy for a generator of 400 requests a second"
    said limit.json seep.limit.1.json '(lambda l: l["status"] == "found" and l["unit"] == "requests_per_s" and 50 <= l["level"] <= 260
        and l["first_failed"]["level"] > l["level"] and l["first_failed"]["level"] <= 1.26 * l["level"]
        and l["first_failed"]["reason"].startswith("http.p95")
        and sum(t["kind"] == "confirmation" for t in l["tries"]) >= 2
        and [t["level"] for t in l["tries"]] == sorted(t["level"] for t in l["tries"])
        and l["recovery"]["status"] == "recovered" and l["recovery"]["seconds"] >= 0
        and l["at_once"]["status"] == "fail" and l["at_once"]["ratio"] > 4)(d["limit"])'
}

@test "S34 a server that serves many at once passes; one without a limit in reach is not given one" {
    serve capacity_http 0 5000 parallel
    cat >load.yaml <<YAML
version: 1
name: limit
load: {users: 4, scenarios: [{name: a, request: {url: "http://127.0.0.1:$PORT/", timeout: 5s}}]}
gates: [http.p95 < 1s]
YAML
    run bash -c '"$@" 2>/dev/null' _ "$SEEP" load load.yaml --find-limit --limit-settle 300ms --limit-measure 1s --limit-most 8 \
        --at-once 10 --at-once-under 300% -f json
    [ "$status" = 3 ]
    echo "$output" >limit.json
    cat limit.json
    said limit.json seep.limit.1.json '(lambda l: l["status"] == "nothing_failed" and l["unit"] == "users" and l["level"] == 8
        and l["first_failed"] is None and l["recovery"] is None and l["at_once"]["status"] == "pass" and l["at_once"]["ratio"] < 3)(d["limit"])'
    unserve
}

@test "S35 a generator that is held up says so, and its gates decide nothing" {
    serve demo_service --port 0
    several
    sed -i '/1e9/d' load.yaml
    "$SEEP" load load.yaml -d 4s -q -f json >load.json &
    seep=$!
    wait_for 10 bash -c '[ "$(pgrep -P '"$seep"' | wc -l)" = 2 ]'
    worker=$(pgrep -P "$seep" | head -n 1)
    sleep 1
    kill -STOP "$worker"
    sleep 0.9
    kill -CONT "$worker"
    wait "$seep" # 0: nothing failed
    said load.json seep.load.1.json '(lambda l: l["generator"]["status"] == "saturated" and "late" in l["generator"]["reason"])(d["load"])'
    said load.json seep.load.1.json '[g["status"] for g in d["gates"]] == ["inconclusive"] * 3 + ["pass"]'
    unserve
}

@test "S36 a run looked at while it goes on: its state and the last hour of its load as JSON, and how it ended" {
    serve demo_service --port 0
    several
    sed -i '/1e9/d' load.yaml
    printf 'target: {command: [sleep, "60"], life: service}\nrun: {duration: 60s, drain: 500ms}\nattribution: {mode: off}\nshutdown: off\n' >>load.yaml
    "$SEEP" run --detach -p load.yaml --name looked >/dev/null
    looked() { "$SEEP" status looked -f json >status.json && said status.json seep.status.1.json "$1"; }
    wait_for 20 looked '(d["state"] == "running" and d["ticks"] > 3 and d["target_pid"] > 0 and d["exit_code"] is None and d["total_s"] == 60
        and len(d["lastHour"]) == 1 and (lambda m: m["requests"]["total"] > 20 and m["requests"]["failed"] == 0 and m["requests"]["errorRate"] == 0
        and m["requests"]["successful"] == m["requests"]["total"] and 0 < m["latency"]["p50"] <= m["latency"]["p95"] <= m["latency"]["p99"] < 60000
        and 0 < m["seconds"] < 60 and abs(m["timestamp"] - __import__("time").time()) < 60)(d["lastHour"][0]))'
    "$SEEP" stop looked
    "$SEEP" wait looked || true
    run "$SEEP" status looked -f json
    echo "$output" >status.json
    said status.json seep.status.1.json "d['state'] == 'ended' and d['exit_code'] == $status and d['target_pid'] is None and len(d['lastHour']) == 1 and d['lastHour'][0]['requests']['total'] > 20"
    unserve
}
