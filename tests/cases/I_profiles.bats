#!/usr/bin/env bats
# Every shipped profile with a load drives the demo service, shortened: each scenario is requested, each metric
# measured, and every reply is as expected. (A_basics looks at the profiles themselves, test_profile_docs at the examples of docs/LOAD.md.)
load ../lib/seep.bash
setup() { seep_setup; PORT=$(free_port); }
teardown() {
    [ -z "${SERVICE:-}" ] || { kill "$SERVICE" 2>/dev/null; wait "$SERVICE" 2>/dev/null || true; }
    seep_teardown
}

@test "I01 every shipped load drives the demo service" {
    "$TARGETS/demo_service" --port "$PORT" --session-ttl 600 --rate-limit 2 >service.out 2>&1 &
    SERVICE=$!
    wait_for 10 grep -q ready service.out
    API_KEY=key-1 LOAD_TEST_PASSWORD=secret TEST_PRICE_ID=price python3 - "$SEEP" "$SEEP_SOURCE/profiles" "$PORT" <<'PY'
import concurrent.futures, glob, json, os, subprocess, sys
seep, profiles, port = sys.argv[1:]
users = ['load.users=20']
quick = ['load.think=20ms']
stages = ['load.stages=[{for: 500ms, to: 10}, {for: 1s, to: 20}]']
short = {  # what makes a second or two of it; all others are driven as they are
    'auth-load': users + quick + ['load.hatch=40/s'], 'auth-production': users + quick + ['load.hatch=40/s'],
    'authz-baseline': users + ['load.pace=10/s'], 'authz-target': users + ['load.pace=10/s'],
    'authz-stress': users + ['load.pace=10/s'], 'authz-cache-hit': users + quick, 'authz-cache-miss': users + quick,
    'authz-complex': users + quick, 'bot-attack': ['load.bots.pace=4/s', 'load.users.think=100ms'],
    'brute-force': ['load.users.think=100ms'],
    'cache-lookups': ['load.lookups.start=500ms', 'load.lookups.iterations=1000'],
    'concurrency-efficiency': ['load.ten.bursts.every=500ms', 'load.single.think=100ms'],
    'market-caching': ['load.rate=50/s'],
    'market-stages': stages + ['load.scenarios.search.think=50ms', 'load.scenarios.payment.think=50ms'],
    'studio-normal': users + ['load.pace=10/s'], 'studio-peak': users + ['load.pace=10/s'],
    'studio-stages': stages + ['load.scenarios.visit.steps.login.think=50ms', 'load.scenarios.visit.steps.files.think=50ms'],
    'validate-benchmark': ['load.users=4'], 'validate-full': users, 'validate-quick': users, 'validate-regression': users,
}
elsewhere = {'redis-latency'}  # I02

def drive(name):  # on a busy machine something rare may not come about in so short a time
    return drive_for(name, '2500ms') and drive_for(name, '12s')

def drive_for(name, seconds):
    words = [seep, 'load', name, '-q', '-f', 'json', '-d', seconds, '-o', f'vars.base_url=http://127.0.0.1:{port}']
    for o in short.get(name, []):
        words += ['-o', o]
    p = subprocess.run(words, capture_output=True, text=True, timeout=120)
    if p.returncode not in (0, 1):
        return f'exit {p.returncode}: {p.stderr}'
    load = json.loads(p.stdout)['load']
    idle = [s['name'] for s in load['scenarios'] if s['requests'] == 0]
    bad = {k: v for k, v in load['errors_by_kind'].items() if k != 'slow'}  # a busy machine is no wrong reply
    idle += [m['name'] for m in load.get('metrics', []) if m['total'] == 0]
    if idle or bad or load['requests'] == 0:
        return f'{load["requests"]} requests, nothing of: {idle}, errors {bad}, status {load["status_codes"]} {p.stderr}'
    return None

names = sorted(os.path.basename(f)[:-5] for f in glob.glob(profiles + '/*.yaml')
               if '\nload:' in open(f).read())
names = [n for n in names if n not in elsewhere]
assert len(names) >= 20 and set(short) <= set(names), names
with concurrent.futures.ThreadPoolExecutor(3) as pool:
    wrong = {n: w for n, w in zip(names, pool.map(drive, names)) if w}
for n, w in wrong.items():
    print(f'{n}: {w}')
sys.exit(1 if wrong else 0)
PY
}

@test "I02 the profile of a Redis speaks to one" {
    command -v redis-server >/dev/null || skip "there is no redis-server here"
    redis-server --port "$PORT" --save "" --appendonly no --daemonize no >redis.out 2>&1 &
    SERVICE=$!
    wait_for 10 redis-cli -p "$PORT" ping
    "$SEEP" load redis-latency -q -f json -d 2s -o "vars.redis=127.0.0.1:$PORT" >out.json || true
    python3 -c '
import json
load = json.load(open("out.json"))["load"]
assert load["requests"] > 20 and load["errors"] == 0, load'
    # An error reply is an error of kind status, unless it is accepted.
    "$SEEP" load redis-latency -q -f json -d 1s -o "vars.redis=127.0.0.1:$PORT" \
        -o 'load.scenarios.session.steps.get.tcp.command=[NOSUCH, a]' >out.json || true
    python3 -c '
import json
load = json.load(open("out.json"))["load"]
assert load["errors_by_kind"].get("status", 0) > 0, load'
    [ "$(redis-cli -p "$PORT" info stats | tr -d '\r' | sed -n 's/^total_commands_processed://p')" -gt 20 ]
}

@test "I03 users who cannot log in request nothing: iterations fail, the reason is told, no gate passes" {
    "$TARGETS/demo_service" --port "$PORT" --session-ttl 600 >service.out 2>&1 &
    SERVICE=$!
    wait_for 10 grep -q ready service.out
    LOAD_TEST_PASSWORD=wrong TEST_PRICE_ID=price "$SEEP" load market-stages -q -f json -d 2s \
        -o "vars.base_url=http://127.0.0.1:$PORT" -o 'load.stages=[{for: 500ms, to: 5}]' \
        -o load.scenarios.search.think=50ms -o load.scenarios.payment.think=50ms >out.json 2>said || true
    grep -q "step login: first reply with an unexpected status: 401" said
    python3 -c '
import json
out = json.load(open("out.json"))
load = out["load"]
assert load["requests"] == 0 and load["iterations_failed"] == load["iterations"] > 1, load
assert "pass" not in [g["status"] for g in out["gates"]], out["gates"]'
}

@test "I04 a run with a shipped load measures and gates it, and stores no secret of the environment" {
    secret=canary-$RANDOM$RANDOM
    LOAD_TEST_PASSWORD=secret TEST_PRICE_ID=$secret "$SEEP" run -q -p market-stages --name shop --duration 4s -o run.drain=500ms \
        -o "vars.base_url=http://127.0.0.1:$PORT" -o 'load.stages=[{for: 1s, to: 10}]' -o load.scenarios.search.think=50ms \
        -o load.scenarios.payment.think=50ms -- "$TARGETS/demo_service" --port "$PORT" --session-ttl 600 >out.txt 2>&1 || true
    cat out.txt
    verdict shop 'v["load"]["requests"] > 10 and not [k for k in v["load"]["errors_by_kind"] if k != "slow"]'
    verdict shop '{m["name"]: m.get("ratio") for m in v["load"]["metrics"]}["payment_success"] == 1'
    # On a busy machine the generator is late, and says so.
    verdict shop '{g["name"]: g["status"] for g in v["gates"]}["metric.rate{name=payment_success}"] in ("pass", "inconclusive")'
    [ -z "$(grep -rlaF "$secret" "$SEEP_RESULTS" out.txt)" ]
}

# Minutes become seconds, and what a fault lasts a sixtieth; everything else is as shipped.
shorten() { python3 - "$SEEP_SOURCE/profiles/$1.yaml" "$1.short.yaml" <<'PY'
import re, sys
lines = open(sys.argv[1]).read().splitlines()
def short(line):
    if "duration:" in line:
        return re.sub(r"(\d+)m\b", lambda m: m[1] + "s", line)
    if line.lstrip().startswith("- { name:"):
        line = re.sub(r"\bat: (\d+)m", r"at: \1s", line)
        line = re.sub(r"\bfor: (\d+)s", lambda m: "for: %dms" % max(400, int(m[1]) * 1000 // 60), line)
        return line.replace(" }", ", good_for: 500ms }")
    return line
open(sys.argv[2], "w").write("\n".join(map(short, lines)).replace("name: fault", "name: short-fault"))
PY
}

@test "I05 every shipped profile of faults runs, shortened, and the demo service behind nginx recovers" {
    command -v nginx >/dev/null || skip "nginx is not installed"
    local profile name n=0 front mid back
    for profile in "$SEEP_SOURCE"/profiles/fault-*.yaml; do
        name=$(basename "$profile" .yaml)
        front=$(free_port) mid=$(free_port) back=$(free_port)
        mkdir "$name"
        cat >"$name/nginx.conf" <<CONF
daemon off; worker_processes 1; pid $WORK/$name/pid; error_log $WORK/$name/err;
events { worker_connections 256; }
http {
    access_log off; client_body_temp_path $WORK/$name/b; proxy_temp_path $WORK/$name/p; fastcgi_temp_path $WORK/$name/f;
    uwsgi_temp_path $WORK/$name/u; scgi_temp_path $WORK/$name/s;
    server { listen 127.0.0.1:$front; location / { proxy_pass http://127.0.0.1:$mid; proxy_connect_timeout 1s; proxy_read_timeout 1s; } }
}
CONF
        cat >"$name/ours.yaml" <<YAML
version: 1
target: { command: [nginx, -c, $WORK/$name/nginx.conf], ready: { http: "http://127.0.0.1:$front/health", within: 20s } }
dependencies: { backend: { command: [$TARGETS/demo_service, --port, "$back"], ready: { tcp: "127.0.0.1:$back", within: 20s } } }
proxies: { backend: { listen: "127.0.0.1:$mid", to: "127.0.0.1:$back" } }
run: { interval: 100ms, drain: 300ms }
attribution: off
load: { rate: 40/s, scenarios: [ { name: app, request: "http://127.0.0.1:$front/health" } ] }
YAML
        shorten "$name"
        "$SEEP" run -q --name "$name" -p "./$name.short.yaml" -p "./$name/ours.yaml" >"$name/out" 2>&1 &
        n=$((n + 1))
    done
    [ "$n" -ge 4 ]
    wait
    for profile in "$SEEP_SOURCE"/profiles/fault-*.yaml; do
        name=$(basename "$profile" .yaml)
        if [ ! -s "$SEEP_RESULTS/$name/verdict.json" ]; then
            grep -q "cannot be done on this machine" "$name/out" || { cat "$name/out"; return 1; }
            continue # no control group here
        fi
        # Every fault of the profile took place once and its recovery was told; the gates on it and on crashes decided.
        verdict "$name" "len(v['faults']) == $(grep -c '^  - { name:' "$profile") and all(f['recovery'] == 'recovered' for f in v['faults'])" || { cat "$name/out"; return 1; }
        verdict "$name" '[g["status"] for g in v["gates"] if g["name"] in ("fault.recovery", "target.restarts")] == ["pass", "pass"]'
    done
}

@test "I06 what a request costs: CPU, disk and network of a redis that writes each of them to disk" {
    command -v redis-server >/dev/null || skip "there is no redis-server here"
    cat >p.yaml <<YAML
version: 1
target: { command: [redis-server, --port, "$PORT", --save, "", --appendonly, "yes", --appendfsync, always, --dir, $WORK], life: service, ready: { tcp: "127.0.0.1:$PORT", within: 20s } }
run: { duration: 6s, interval: 250ms, drain: 300ms }
attribution: off
load: { users: 2, think: 20ms, scenarios: [ { name: set, tcp: { address: "127.0.0.1:$PORT", command: [SET, "k:\${gen:int(1,50)}", "\${gen:text(4000)}"] } } ] }
gates: [ load.requests > 20 ]
YAML
    "$SEEP" run -q --name r -p ./p.yaml >out.txt || true # a busy machine makes it undecided
    valid_verdict r
    verdict r '1e-6 < v["request_cost"]["cpu_s"] < 1e-1'
    verdict r '4000 < v["request_cost"]["network_bytes"] < 4200'
    # 4000 bytes and their frame, in whole pages; a file system in memory has no disk below it.
    [ "$(stat -f -c %T "$WORK")" = tmpfs ] || verdict r '4000 < v["request_cost"]["disk_written_bytes"] < 40000'
    grep -q "a request: CPU .* written, 4.* kB of network" out.txt
    "$SEEP" report r -f openmetrics | grep -q "^seep_request_network_bytes"
    "$SEEP" report r -f md | grep -q "^- a request: CPU"
    "$SEEP" run -q --name s -p ./p.yaml -o 'load.scenarios.set.tcp.command=[SET, "k:${gen:int(1,50)}", "${gen:text(8000)}"]' >out2.txt || true
    "$SEEP" compare r s >cmp.txt || true
    grep -q "net.per_request" cmp.txt
}
