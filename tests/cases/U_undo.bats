#!/usr/bin/env bats
# U: whatever a fault did is undone when the supervisor is killed (-9), for each kind of fault; the run is then taken up
# again or closed, and the fault's time is cut all the same. Conditions of faults on anything that has a series, and
# what dependencies use.
load ../lib/seep.bash

setup() {
    seep_setup
    PORT=$(free_port) FRONT=$(free_port) BACK=$(free_port)
    cat >base.yaml <<YAML
version: 1
target: { command: [$TARGETS/demo_service, --port, "$PORT"], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
dependencies:
  back: { command: [$TARGETS/demo_service, --port, "$BACK"], ready: { tcp: "127.0.0.1:$BACK", within: 20s } }
proxies: { back: { listen: "127.0.0.1:$FRONT", to: "127.0.0.1:$BACK" } }
run: { duration: 60s, interval: 100ms }
attribution: off
YAML
}
teardown() { seep_teardown; }

sql() { python3 - "$SEEP_RESULTS/$1/run.db" "$2" <<'PY'
import sqlite3, sys
try:
    for row in sqlite3.connect("file:%s?mode=ro" % sys.argv[1], uri=True).execute(sys.argv[2]):
        print("|".join(str(x) for x in row))
except sqlite3.Error:
    pass
PY
}

pid_of() { od -An -tu4 -j12 -N4 "$1/start.rec" 2>/dev/null | tr -d ' '; }
lives() { kill -0 "$1" 2>/dev/null && [ "$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" != Z ]; }
dead() { ! lives "$1"; }
answers() { python3 -c 'import sys, urllib.request; urllib.request.urlopen("http://127.0.0.1:%s/health" % sys.argv[1], timeout=2)' "$1" 2>/dev/null; }
refuses() { ! answers "$1"; }
begun() { [ -s "$SEEP_RESULTS/$1/run.db" ] && [ -n "$(sql "$1" "select value from meta where key like 'fault.active.%' and value <> ''")" ]; }
begun_or_over() { begun "$1" || ! kill -0 "$seep" 2>/dev/null; }
ticks() { [ "$(sql "$1" 'select count(*) from tick')" -ge "$2" ] 2>/dev/null; }
started_anew() { local now; now=$(pid_of "$1"); [ -n "$now" ] && [ "$now" != "$2" ] && lives "$now"; }

# go FAULT: a run with it in the background, until it is under way and known to the store. $seep is its supervisor.
go() {
    printf 'version: 1\nfaults: [ { at: 500ms, %s } ]\n' "$1" >f.yaml
    "$SEEP" run -q --name r -p ./base.yaml -p ./f.yaml >out 2>&1 &
    seep=$!
    wait_for 20 begun r || { cat out; return 1; }
    R=$SEEP_RESULTS/r
}

lose() { kill -9 "$seep"; wait "$seep" || true; }

@test "U31 killed in the middle of a kill: the target is started again, and resume goes on with it" {
    local first
    sed -i 's/duration: 60s/duration: 9s/' base.yaml
    go 'for: 8s, kill: target'
    first=$(pid_of "$R")
    wait_for 10 dead "$first"
    refuses "$PORT"
    lose
    wait_for 10 started_anew "$R" "$first"
    wait_for 10 answers "$PORT"
    run "$SEEP" resume r
    [ "$status" -ne 4 ] && [ "$status" -ne 6 ] || { echo "$output"; return 1; }
    verdict r 'v["shutdown"]["status"] == "pass"'
    [ "$(sql r "select count(*) from event where kind = 'restart'")" -ge 1 ]
    [[ $(sql r "select text from event where kind = 'fault'") == *"kill-target: target was killed; the supervisor was lost, and it was undone."* ]]
}

@test "U32 killed in the middle of a dependency's death: it is back, and finish closes the run with the fault's time cut" {
    local first
    go 'for: 50s, kill: back'
    first=$(pid_of "$R/deps/back")
    wait_for 10 dead "$first"
    lose
    wait_for 10 started_anew "$R/deps/back" "$first"
    wait_for 10 answers "$BACK"
    run "$SEEP" finish r
    verdict r '[f["name"] for f in v["faults"]] == ["kill-back"] and v["faults"][0]["in_gates"] == "cut"'
    ! answers "$BACK"
}

@test "U33 killed in the middle of a toxic and of a limit: connections pass again, the limit is lifted" {
    go 'for: 50s, proxy: back, toxic: down'
    wait_for 10 refuses "$FRONT"
    lose
    wait_for 10 answers "$FRONT"
    run "$SEEP" finish r
    ! answers "$FRONT"
    rm -rf "$SEEP_RESULTS/r"
    printf 'version: 1\nfaults: [ { at: 500ms, for: 50s, memory: 300MiB } ]\n' >f.yaml
    "$SEEP" run -q --name r -p ./base.yaml -p ./f.yaml -o run.duration=60s >out 2>&1 &
    seep=$!
    wait_for 60 begun_or_over r
    if ! begun r; then
        wait "$seep" || true
        grep -q "cannot be done on this machine" out
        skip "there is no control group that limits memory"
    fi
    local group file
    group=$(sed -n 's/^[0-9]*:[a-z,]*memory[a-z,]*://p; s/^0::\(..*\)/\1/p' "/proc/$(pid_of "$R")/cgroup" | head -1)
    file=$(ls -d "/sys/fs/cgroup/memory$group/memory.limit_in_bytes" "/sys/fs/cgroup$group/memory.max" "/sys/fs/cgroup/unified$group/memory.max" 2>/dev/null | head -1)
    [ -n "$file" ]
    [ "$(cat "$file")" = 314572800 ]
    lose
    not_limited() { [ "$(cat "$file")" != 314572800 ]; }
    wait_for 10 not_limited
    run "$SEEP" finish r
    [ ! -e "$file" ]
}

@test "U34 conditions on a scraped series, on the target's own, and a run without a load" {
    command -v python3 >/dev/null
    cat >app.py <<'PY'
import http.server, os, sys, time
born = time.time()
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "# TYPE warm gauge\nwarm %d\n# TYPE hits counter\nhits_total %d\n" % (time.time() - born > 1.5, (time.time() - born) * 100)
        self.send_response(200); self.send_header("Content-Length", str(len(text))); self.end_headers(); self.wfile.write(text.encode())
    def log_message(self, *a): pass
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
PY
    cat >p.yaml <<YAML
version: 1
target: { command: [/usr/bin/python3, $WORK/app.py, "$PORT"], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
run: { duration: 8s, interval: 100ms, drain: 100ms }
attribution: off
scrape: [ { url: "http://127.0.0.1:$PORT/metrics", metrics: [warm, hits_total] } ]
faults: [ { at: 2s, restart: target, recovered: [warm > 0.5, hits_total > 50, rss < 500MB], good_for: 500ms, watch: 5s } ]
gates: [ "fault.recovery < 60s", "fault.recovery > 1s" ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "pass"]' # warm only 1.5 s after its start
    verdict r 'v["faults"][0]["recovery"] == "recovered" and 1 < v["faults"][0]["recovery_s"] < 60'
    sed -i 's/warm > 0.5/warm > 2/; s/watch: 5s/watch: 1s/; s/fault.recovery > 1s/rss.total_growth < 1GB/; s/name: r/name: s/' p.yaml
    run "$SEEP" run -q --name s -p ./p.yaml
    verdict s 'v["gates"][0]["status"] == "fail" and v["faults"][0]["recovery"] == "not_recovered"'
    run "$SEEP" run -q --name t -p ./p.yaml -o 'faults=[{at: 1s, restart: target, recovered: rss.growth < 1MB/h}]'
    [ "$status" -eq 2 ]
    [[ $output == *"value of the moment"* ]]
}

@test "U35 conditions on the counters of a load that is another program" {
    cat >driver.sh <<'SH'
for i in $(seq 100); do if curl -s -o /dev/null --max-time 1 "http://127.0.0.1:$1/health"; then echo "ok 1"; else echo "ok 0"; fi; sleep 0.05; done
SH
    cat >p.yaml <<YAML
version: 1
target: { command: [$TARGETS/demo_service, --port, "$PORT"], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
run: { duration: 6s, interval: 500ms, drain: 100ms }
attribution: off
load: { name: curl, duration: 6s, exec: { command: [bash, $WORK/driver.sh, "$PORT"], interval: 200ms, counters: { well: "ok ([01])" } } }
faults: [ { at: 1s, for: 1500ms, pause: target, recovered: "metric.p50{name=well} > 0.5", good_for: 500ms } ]
gates: [ fault.recovery < 60s ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml
    verdict r 'v["gates"][0]["status"] == "pass" and v["faults"][0]["recovery"] == "recovered"'
}

@test "U36 what a dependency uses is measured, judged by gates with its name, and drawn" {
    cat >f.yaml <<'YAML'
version: 1
run: { duration: 4s, drain: 100ms }
faults: [ { at: 1s, for: 1s, pause: back, name: stop-back } ]
gates: [ "dependency.cpu{name=back} < 400%", "dependency.rss.total_growth{name=back} < 1GB", "dependency.fd.growth{name=back} < 100000/h" ]
YAML
    run "$SEEP" run -q --name r -p ./base.yaml -p ./f.yaml
    verdict r '[g["status"] for g in v["gates"][:2]] == ["pass", "pass"] and v["gates"][0]["value"] >= 0'
    [ "$(sql r "select count(distinct name) from series where name like 'dependency.%' and labels = 'name=back'")" -eq 4 ]
    grep -q 'Dependencies: resident memory' "$SEEP_RESULTS/r/report.html"
    grep -q 'band fault' "$SEEP_RESULTS/r/report.html"
    "$SEEP" report r -f md | grep -q '### Faults'
    "$SEEP" report r -f openmetrics | grep -q 'seep_fault_seconds{run="r",fault="stop-back",occurrence="1"}'
    valid_verdict r
    run "$SEEP" run -q --name s -p ./base.yaml -o 'gates=["dependency.cpu{name=bock} < 1%"]'
    [ "$status" -eq 2 ]
    [[ $output == *"did you mean 'back'"* ]]
}

@test "U37 limits of the target for the whole run: CPU and memory of all its processes; a fault's limit falls back to them" {
    cat >busy.py <<'PY'
import os, sys, time
if sys.argv[1] == "hog":
    time.sleep(1.5)
    keep = [bytearray(b"x" * 1000000) for _ in range(400)]
    time.sleep(60)
print("ready", flush=True)
os.fork()  # two processes share what the target has
while True:
    pass
PY
    cat >p.yaml <<YAML
version: 1
target: { command: [/usr/bin/python3, $WORK/busy.py, spin], life: service, cpu: 0.25, memory: 200MiB, ready: { log: ready, within: 20s } }
run: { duration: 6s, interval: 100ms }
attribution: off
shutdown: off
faults: [ { at: 1s, for: 1s, cpu: 0.1 } ]
gates: [ "cpu < 45%", "cpu > 3%" ]
YAML
    "$SEEP" run -q --name r -p ./p.yaml >out 2>&1 &
    seep=$!
    wait_for 60 begun_or_over r
    if ! begun r; then
        wait "$seep" || true
        grep -q "cannot be limited as target.memory and target.cpu say\|cannot be done on this machine" out
        skip "there is no control group that limits CPU time and memory"
    fi
    file_of() { # CONTROLLER V1 V2
        local group
        group=$(sed -n "s/^[0-9]*:[a-z,]*\\b$1\\b[a-z,]*://p; s/^0::\(..*\)/\1/p" "/proc/$(pid_of "$SEEP_RESULTS/$4")/cgroup" | head -1)
        ls -d "/sys/fs/cgroup/$1$group/$2" "/sys/fs/cgroup/cpu,cpuacct$group/$2" "/sys/fs/cgroup$group/$3" "/sys/fs/cgroup/unified$group/$3" 2>/dev/null | head -1
    }
    local cpu memory
    cpu=$(file_of cpu cpu.cfs_quota_us cpu.max r) memory=$(file_of memory memory.limit_in_bytes memory.max r)
    [ "$(cat "$memory")" = 209715200 ]
    quota_is() { [ "$(sed 's/ .*//' "$cpu")" = "$1" ]; }
    wait_for 10 quota_is 25000 # after the fault
    wait "$seep" || true
    [ ! -e "$cpu" ] && [ ! -e "$memory" ]
    verdict r '[g["status"] for g in v["gates"]] == ["pass", "pass"]'
    "$SEEP" run -q --name s -p ./p.yaml -o 'faults=[]' -o target.memory=64MiB -o 'target.ready={}' -o "target.command=[/usr/bin/python3, $WORK/busy.py, hog]" >out 2>&1 || code=$?
    [ "$code" -eq 4 ]
    verdict s '"memory" in v["target"]["exit"]["sentence"]'
    sleep 30 &
    run "$SEEP" attach -q -d 1s -o target.cpu=1 $!
    kill %%
    [ "$status" -eq 2 ]
    [[ $output == *"not an attached one"* ]]
}

@test "U38 three replicas behind a balancer: each is measured, and the death of one reaches no user" {
    command -v nginx >/dev/null || skip "nginx is not installed"
    local r1 r2 r3
    r1=$(free_port) r2=$(free_port) r3=$(free_port)
    cat >nginx.conf <<CONF
daemon off; worker_processes 1; pid $WORK/nginx.pid; error_log $WORK/nginx.err;
events { worker_connections 256; }
http {
    access_log off; client_body_temp_path $WORK/b; proxy_temp_path $WORK/p; fastcgi_temp_path $WORK/f;
    uwsgi_temp_path $WORK/u; scgi_temp_path $WORK/s;
    upstream replicas { server 127.0.0.1:$r1; server 127.0.0.1:$r2; server 127.0.0.1:$r3; }
    server { listen 127.0.0.1:$FRONT; location / { proxy_pass http://replicas; proxy_connect_timeout 1s; } }
}
CONF
    cat >p.yaml <<YAML
version: 1
target: { command: [nginx, -c, $WORK/nginx.conf], life: service, ready: { http: "http://127.0.0.1:$FRONT/health", within: 20s } }
dependencies:
  one: { command: [$TARGETS/demo_service, --port, "$r1"], ready: { tcp: "127.0.0.1:$r1", within: 20s } }
  two: { command: [$TARGETS/demo_service, --port, "$r2"], ready: { tcp: "127.0.0.1:$r2", within: 20s } }
  three: { command: [$TARGETS/demo_service, --port, "$r3"], ready: { tcp: "127.0.0.1:$r3", within: 20s } }
run: { duration: 6s, interval: 100ms, drain: 300ms }
attribution: off
load: { users: 6, think: 30ms, scenarios: [ { name: all, request: "http://127.0.0.1:$FRONT/health" } ] }
faults: [ { at: 2s, for: 1s, kill: two, good_for: 1s, spares: http.errors < 1% } ]
gates: [ fault.spread < 1%, fault.recovery < 60s, "dependency.rss.total_growth{name=one} < 50MB", "dependency.rss.total_growth{name=three} < 50MB" ]
YAML
    run "$SEEP" run -q --name r -p ./p.yaml
    verdict r '[g["status"] for g in v["gates"]] == ["pass"] * 4' || { echo "$output"; return 1; }
    verdict r 'v["load"]["requests"] > 50 and v["load"]["errors"] == 0'
}
