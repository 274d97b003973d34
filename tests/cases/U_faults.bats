#!/usr/bin/env bats
# U: faults on a timeline, dependencies, proxies: nginx in front of the demo service, redis. Everything is undone, also
# when the supervisor is killed; what stays behind is found by the teardown.
load ../lib/seep.bash

setup() { seep_setup; }
teardown() { seep_teardown; }

events() { python3 - "$SEEP_RESULTS/$1/run.db" "$2" <<'PY'
import sqlite3, sys
db = sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True)
for (text,) in db.execute("select text from event where kind = ? order by rowid", (sys.argv[2],)):
    print(text)
PY
}

# nginx on $FRONT: /static by itself, everything else through the proxy on $MID to the demo service on $BACK.
front_and_back() {
    command -v nginx >/dev/null || skip "nginx is not installed"
    FRONT=$(free_port) MID=$(free_port) BACK=$(free_port)
    cat >nginx.conf <<CONF
daemon off; worker_processes 1; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events { worker_connections 256; }
http {
    access_log off; client_body_temp_path $WORK/b; proxy_temp_path $WORK/p; fastcgi_temp_path $WORK/f;
    uwsgi_temp_path $WORK/u; scgi_temp_path $WORK/s;
    server {
        listen 127.0.0.1:$FRONT;
        location = /static { return 200 "ok"; }
        location / { proxy_pass http://127.0.0.1:$MID; proxy_connect_timeout 1s; proxy_read_timeout 1s; }
    }
}
CONF
    cat >base.yaml <<YAML
version: 1
target: { command: [nginx, -c, $WORK/nginx.conf], life: service, ready: { http: "http://127.0.0.1:$FRONT/static", within: 20s } }
dependencies:
  demo: { command: [$TARGETS/demo_service, --port, "$BACK"], ready: { tcp: "127.0.0.1:$BACK", within: 20s } }
proxies: { demo: { listen: "127.0.0.1:$MID", to: "127.0.0.1:$BACK" } }
run: { duration: 8s, interval: 100ms, drain: 500ms }
attribution: off
load:
  rate: 40/s
  scenarios:
    - { name: static, request: "http://127.0.0.1:$FRONT/static" }
    - { name: app, request: "http://127.0.0.1:$FRONT/health" }
YAML
}

@test "U01 a proxy that goes down and a dependency that is restarted: errors are cut, recovery and spread are gates" {
    front_and_back
    cat >faults.yaml <<'YAML'
version: 1
faults:
  - { at: 1500ms, for: 1500ms, proxy: demo, toxic: down, good_for: 1s, spares: ["http.errors{scenario=static} < 1%"] }
  - { at: 5500ms, restart: demo, good_for: 1s }
gates: [ "fault.recovery{fault=down-demo} < 60s", "fault.spread < 50%", target.restarts < 1, load.requests > 100 ]
YAML
    run "$SEEP" run -q --name r -p ./base.yaml -p ./faults.yaml
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    verdict r '[g["status"] for g in v["gates"][:3]] == ["pass"] * 3'
    verdict r 'v["load"]["errors"] > 0'
    [[ $(events r fault) == *"down-demo: the proxy demo accepted nothing."* ]]
    [[ $(events r fault) == *"restart-demo: demo was restarted."* ]]
    [[ $(events r recovery) == *"down-demo: recovered"* ]]
    [ -s "$SEEP_RESULTS/r/deps/demo/target.log" ]
}

@test "U02 the same errors fail a gate when the profile lets the fault count, and pass when it does not" {
    front_and_back
    printf 'version: 1\nrun: { duration: 4500ms }\nfaults: [{ at: 1s, for: 1500ms, proxy: demo, toxic: down, good_for: 1s }]\ngates: [http.errors < 1%%]\n' >f.yaml
    run "$SEEP" run -q --name cut -p ./base.yaml -p ./f.yaml
    verdict cut 'v["gates"][0]["status"] in ("pass", "inconclusive") and not v["gates"][0]["value"] > 0.01'
    sed -i 's/good_for: 1s/good_for: 1s, count_in_gates: true/' f.yaml
    run "$SEEP" run -q --name counted -p ./base.yaml -p ./f.yaml
    verdict counted 'v["gates"][0]["value"] > 0.01'
}

@test "U03 a target that is killed by a fault, and one that crashes by itself, are started again and counted" {
    local port
    port=$(free_port)
    cat >p.yaml <<YAML
version: 1
target: { command: [$TARGETS/demo_service, --port, "$port"], life: service, restart: true, ready: { tcp: "127.0.0.1:$port" } }
run: { duration: 12s, interval: 100ms, drain: 1s }
load: { rate: 50/s, scenarios: [ { name: app, request: "http://127.0.0.1:$port/health" } ] }
faults: [ { at: 2s, kill: target, good_for: 1s } ]
gates: [ target.restarts < 3, fault.recovery < 60s, { gate: target.restarts < 2, warn: true } ]
YAML
    "$SEEP" run -q --name r -p ./p.yaml >out 2>&1 &
    local seep=$!
    wait_for 20 restarted r 1
    kill -SEGV "$(events r restart | sed 's/.*as process \([0-9]*\)\./\1/')"
    local rc=0
    wait "$seep" || rc=$?
    [ "$rc" -eq 0 ] || [ "$rc" -eq 3 ]
    [ "$(events r restart | wc -l)" -eq 2 ]
    [[ $(events r restart) == *"killed by seep (SIGKILL)"*"killed by signal 11 (SIGSEGV"* ]]
    verdict r 'v["gates"][0]["status"] == "pass" and v["gates"][0]["value"] == 2 and v["gates"][2]["status"] == "warn"'
    verdict r 'v["shutdown"]["status"] == "pass"'
}

restarted() { [ -f "$SEEP_RESULTS/$1/run.db" ] && [ "$(events "$1" restart 2>/dev/null | wc -l)" -ge "$2" ]; }

@test "U04 a target that never recovers fails, with the sentence" {
    local port
    port=$(free_port)
    cat >p.yaml <<YAML
version: 1
target: { command: [$TARGETS/demo_service, --port, "$port"], life: service, ready: { tcp: "127.0.0.1:$port" } }
run: { duration: 5s, interval: 100ms, drain: 1s }
attribution: off
load: { rate: 50/s, scenarios: [ { name: app, request: "http://127.0.0.1:$port/health" } ] }
faults: [ { at: 1s, for: 500ms, pause: target, recovered: http.p50 < 0.001ms, good_for: 1s, watch: 2s } ]
gates: [ fault.recovery < 60s ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml
    [ "$status" -eq 1 ]
    [[ $output == *"did not recover from the fault pause-target"* ]]
}

state_is() { [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" = "$2" ]; }
state_is_not() { ! state_is "$@"; }

@test "U05 the supervisor is killed in the middle of a pause: target and dependency go on, finish ends all" {
    command -v redis-server >/dev/null || skip "redis-server is not installed"
    local port redis
    port=$(free_port) redis=$(free_port)
    cat >p.yaml <<YAML
version: 1
target: { command: [$TARGETS/demo_service, --port, "$port"], life: service, ready: { tcp: "127.0.0.1:$port" } }
dependencies: { redis: { command: [redis-server, --port, "$redis", --save, "", --dir, $WORK], ready: { tcp: "127.0.0.1:$redis" } } }
proxies: { redis: { listen: "127.0.0.1:$(free_port)", to: "127.0.0.1:$redis" } }
run: { duration: 60s, interval: 100ms }
attribution: off
faults: [ { at: 500ms, for: 50s, pause: target }, { at: 500ms, for: 50s, pause: redis } ]
YAML
    "$SEEP" run -q --name r -p ./p.yaml >/dev/null 2>&1 &
    local seep=$!
    wait_for 20 test -s "$SEEP_RESULTS/r/start.rec"
    wait_for 20 test -s "$SEEP_RESULTS/r/deps/redis/start.rec"
    local target dep
    target=$(od -An -tu4 -j12 -N4 "$SEEP_RESULTS/r/start.rec" | tr -d ' ')
    dep=$(od -An -tu4 -j12 -N4 "$SEEP_RESULTS/r/deps/redis/start.rec" | tr -d ' ')
    wait_for 20 state_is "$target" T
    wait_for 20 state_is "$dep" T
    kill -9 "$seep"
    wait "$seep" || true
    wait_for 10 state_is_not "$target" T
    wait_for 10 state_is_not "$dep" T
    kill -0 "$target"
    kill -0 "$dep"
    run "$SEEP" finish r
    ! kill -0 "$target" 2>/dev/null
    ! kill -0 "$dep" 2>/dev/null
}

@test "U06 a dependency that does not start, or is never ready: an error that names it, and nothing is left" {
    printf 'version: 1\ntarget: { command: [sleep, "60"] }\ndependencies: { db: { command: [%s] } }\n' "$WORK/nothing" >a.yaml
    run "$SEEP" run -q --name a -p ./a.yaml --duration 2s
    [ "$status" -ne 0 ]
    [[ $output == *nothing* ]]
    printf 'version: 1\ntarget: { command: [sleep, "60"] }\ndependencies: { db: { command: [sh, -c, "echo no room; exit 3"], ready: { tcp: "127.0.0.1:%s", within: 5s } } }\n' "$(free_port)" >b.yaml
    run "$SEEP" run -q --name b -p ./b.yaml --duration 2s
    [ "$status" -eq 6 ]
    [[ $output == *"dependency 'db' failed"* ]]
    grep -q "no room" "$SEEP_RESULTS/b/deps/db/target.log"
}

@test "U07 what cannot be is refused with its place before anything starts" {
    local bad
    while IFS='|' read -r yaml wanted; do
        printf 'version: 1\ntarget: { command: [touch, started] }\n%b\n' "$yaml" >bad.yaml
        run "$SEEP" run -q -p ./bad.yaml --duration 10s
        [ "$status" -eq 2 ]
        [[ $output == *"bad.yaml:3:"*"$wanted"* ]] || { echo "$yaml: $output"; return 1; }
        [ ! -e started ]
    done <<'TABLE'
faults: [ { at: 1s, for: 1s, pause: redis } ]|neither 'target' nor
faults: [ { at: 1s, for: 1s } ]|it has none
faults: [ { at: 1s, for: 1s, pause: target, cpu: 1 } ]|it has several
faults: [ { at: 1s, pause: target } ]|needs 'for'
faults: [ { at: 9s, for: 2s, pause: target } ]|not over when
faults: [ { at: 1s, for: 2s, every: 1s, pause: target } ]|longer than
faults: [ { at: 1s, for: 1s, proxy: p, toxic: latency } ]|There is no proxy
proxies: { p: { listen: "0.0.0.0:80", to: "a:1" } }|listens on 127.0.0.1
dependencies: { target: { command: [a] } }|cannot be called 'target'
probes: [ { name: x } ]|exactly one of
scrape: [ { url: "http://a/metrics" } ]|Nothing is kept
TABLE
}

@test "U08 a dependency's account, signal and words from the environment; one that does not end is killed, and told" {
    cat >dep.py <<'PY'
import os, signal, sys, time
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, lambda *a: (print("asked", flush=True), os._exit(0)))
print("uid", os.getuid(), sys.argv[2], "ready", flush=True)
while True:
    time.sleep(1)
PY
    chmod 755 "$WORK"
    local account=""
    [ "$(id -u)" -ne 0 ] || account="user: nobody,"
    cat >p.yaml <<YAML
version: 1
target: { command: [sleep, "60"], life: service }
dependencies:
  polite: { $account signal: INT, command: [/usr/bin/python3, $WORK/dep.py, polite, "\${env:WORD_OF_OURS}"], ready: { log: ready, within: 20s } }
  deaf: { stop_within: 700ms, command: [/usr/bin/python3, $WORK/dep.py, deaf, none], ready: { log: ready, within: 20s } }
probes: [ { name: word, command: [expr, length, "\${env:WORD_OF_OURS}", =, "13"], when: before } ]
run: { duration: 8s, interval: 100ms }
attribution: off
faults: [ { at: 500ms, restart: polite }, { at: 2s, restart: deaf } ]
gates: [ target.restarts < 1, probe.failures < 1 ]
YAML
    WORD_OF_OURS=horse-battery run "$SEEP" run -q --name r -p ./p.yaml
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "pass"]'
    [ "$(events r fault | grep -c .)" -eq 2 ]
    [[ $(events r fault) == *"restart-polite: polite was restarted."* ]]
    [[ $(events r fault) == *"deaf was restarted; it did not end within 0.7 s of the signal and was killed."* ]]
    [ "$(grep -c asked "$SEEP_RESULTS/r/deps/polite/target.log")" -eq 2 ] # by the fault, and at the end
    [ -z "$account" ] || grep -q "uid $(id -u nobody) horse-battery" "$SEEP_RESULTS/r/deps/polite/target.log"
    [ -z "$(grep -rlaF horse-battery "$SEEP_RESULTS/r" --include=run.db --include=verdict.json --include=report.html)" ]
    WORD_OF_OURS=x run "$SEEP" run -q --name s -p ./p.yaml -o dependencies.polite.user=no-such-account
    [ "$status" -eq 2 ]
    [[ $output == *"no user 'no-such-account' (dependencies.polite.user)"* ]]
}

@test "U09 a fault that did not take place, or of which nobody could tell, leaves the gates on it undecided" {
    front_and_back
    cat >f.yaml <<'YAML'
version: 1
run: { duration: 40s }
faults:
  - { name: early, at: 500ms, for: 1s, pause: target, good_for: 500ms }
  - { name: late, at: 35s, for: 1s, pause: target }
gates: [ "fault.recovery{fault=early} < 30s", fault.recovery < 30s, "fault.recovery > 31s" ]
YAML
    "$SEEP" run -q --name r -p ./base.yaml -p ./f.yaml >out 2>&1 &
    local seep=$!
    told() { [ -f "$SEEP_RESULTS/r/run.db" ] && [ -n "$(events r recovery 2>/dev/null)" ]; }
    wait_for 20 told
    "$SEEP" stop r || true
    wait "$seep" || true
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "inconclusive", "inconclusive"]'
    verdict r "\"'late' took place 0 of 1 times\" in v['gates'][1]['reason']"
    # It stood still for ten ticks, which is one stretch.
    "$SEEP" report r -f md >r.md
    [ "$(grep -c '^- paused' r.md)" -eq 1 ]
}

@test "U10 PostgreSQL restarted beneath a web application: its own pages are spared, and it recovers" {
    local pg app
    pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
    [ -n "$pg" ] && [ "$(id -u)" -eq 0 ] && id postgres >/dev/null 2>&1 || skip "needs PostgreSQL, its account, and root"
    chmod 755 "$WORK"
    mkdir pg && chown postgres pg
    setpriv --reuid=postgres --regid=postgres --clear-groups "$pg/initdb" -D "$WORK/pg" -A trust -N >initdb.out 2>&1
    cat >app.py <<'PY'
import http.server, socket, struct, sys, threading
local = threading.local()
TEXT = b"select count(*) from pg_class\0"
QUERY = b"Q" + struct.pack("!I", 4 + len(TEXT)) + TEXT
START = struct.pack("!I", 196608) + b"user\0postgres\0database\0postgres\0\0"
def take(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise OSError("closed")
        data += more
    return data
def until_ready(s):
    while True:
        kind, n = struct.unpack("!cI", take(s, 5))
        body = take(s, n - 4)
        if kind == b"E":
            raise OSError(body)
        if kind == b"Z":
            return
def query():
    if getattr(local, "s", None) is None:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[2])), 2)
        s.sendall(struct.pack("!I", 4 + len(START)) + START)
        until_ready(s)
        local.s = s
    try:
        local.s.sendall(QUERY)
        until_ready(local.s)
    except OSError:
        local.s.close()
        local.s = None
        raise
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        status = 200
        try:
            if self.path == "/row":
                query()
        except OSError:
            status = 503
        self.send_response(status); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
    FRONT=$(free_port) BACK=$(free_port)
    cat >p.yaml <<YAML
version: 1
target: { command: [/usr/bin/python3, $WORK/app.py, "$FRONT", "$BACK"], life: service, ready: { http: "http://127.0.0.1:$FRONT/row", within: 20s } }
dependencies:
  pg:
    user: postgres
    signal: INT
    command: [$pg/postgres, -D, $WORK/pg, -p, "$BACK", -k, $WORK/pg, -c, listen_addresses=127.0.0.1]
    ready: { command: [$pg/pg_isready, -h, 127.0.0.1, -p, "$BACK"], within: 20s }
run: { duration: 13s, interval: 100ms, drain: 300ms }
attribution: off
load:
  users: 6
  think: 50ms
  connection: per-user
  scenarios: [ { name: row, request: "http://127.0.0.1:$FRONT/row" }, { name: static, request: "http://127.0.0.1:$FRONT/" } ]
faults:
  - { name: restart, at: 1s, restart: pg, good_for: 1s, spares: "http.errors{scenario=static} < 1%" }
  - { name: kill, at: 4s, for: 1s, kill: pg, good_for: 1s, spares: "http.errors{scenario=static} < 1%" }
gates: [ fault.recovery < 60s, fault.spread < 1%, target.restarts < 1, http.errors < 1% ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml
    verdict r '[g["status"] for g in v["gates"][:3]] == ["pass"] * 3' || { echo "$output"; return 1; }
    verdict r 'v["load"]["errors"] > 0 and v["gates"][3]["status"] in ("pass", "inconclusive")'
    [[ $(events r fault) == *"restart: pg was restarted."* ]]
    grep -q "fast shutdown" "$SEEP_RESULTS/r/deps/pg/target.log"
}
