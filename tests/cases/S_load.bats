#!/usr/bin/env bats
# The load driver against servers that nobody here wrote: nginx, node over HTTP/2 and TLS, redis; and what it refuses.
load ../lib/seep.bash
setup() { seep_setup; PIDS=(); }
teardown() {
    local pid
    for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
    seep_teardown
}

# needs PROGRAM...: the case is skipped where one is missing.
needs() {
    local program
    for program in "$@"; do command -v "$program" >/dev/null || skip "no $program here"; done
}

# serve WORDS...: the node server; its port is PORT.
serve() {
    local out=server.$RANDOM.out
    node "$SEEP_SOURCE/tests/lib/h2_server.js" "$@" >"$out" 2>&1 3>&- &
    PIDS+=($!)
    wait_for 10 grep -qE '^[0-9]+$' "$out"
    PORT=$(head -n1 "$out")
}

# certify NAME [CA]: NAME.crt and NAME.key, signed by CA or by itself.
certify() {
    local sign=(-x509)
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$1" 2>/dev/null
    printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:%s\n' "$([ -n "${2:-}" ] && echo FALSE || echo TRUE)" >"$1.ext"
    if [ -n "${2:-}" ]; then
        openssl x509 -req -in "$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 2 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    else
        openssl x509 -req -in "$1.csr" -signkey "$1.key" -days 2 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
    fi
}

# drive: the profile on standard input, for a moment; its JSON is out.json.
drive() {
    cat >p.yaml
    run "$SEEP" load p.yaml -q -f json
    echo "$output" >out.json
}

# is PYTHON-EXPRESSION over the load `l` of out.json.
is() {
    python3 -c "import json, sys
l = json.loads(open('out.json').read()[open('out.json').read().index('{'):])['load']
ok = $1
print('' if ok else json.dumps(l, indent=1)[:3000])
sys.exit(not ok)"
}

@test "S01 HTTP/2, in the clear and over TLS, one request or several at once on a connection" {
    needs node openssl
    serve h2c
    drive <<Y
version: 1
name: t
load: { users: 6, iterations: 300, http: 2, scenarios: [{ name: a, request: "http://127.0.0.1:$PORT/", expect: { json: { $.version: "2.0" } } }] }
Y
    is "l['requests'] == 300 and l['errors'] == 0 and 1 <= l['generator']['connections'] <= 6"
    drive <<Y
version: 1
name: t
load: { users: 12, iterations: 600, http: 2, streams: 6, scenarios: [{ name: a, request: { method: POST, url: "http://localhost:$PORT/", body: "x" }, expect: { json: { $.version: "2.0", $.most: { is: "<= 6" } } } }] }
Y
    is "l['requests'] == 600 and l['errors'] == 0 and 2 <= l['generator']['connections'] <= 12"
    certify ca
    serve h2 ca.crt ca.key
    drive <<Y
version: 1
name: t
load: { users: 12, iterations: 600, http: 2, streams: 6, tls: { insecure: true }, scenarios: [{ name: a, request: "https://127.0.0.1:$PORT/", expect: { json: { $.version: "2.0", $.most: { is: "<= 6" } } } }] }
Y
    is "l['requests'] == 600 and l['errors'] == 0 and l['generator']['connections'] <= 12"
}

@test "S02 a server's certificate is verified, against the profile's authority too; a client's is shown" {
    needs node openssl
    certify ca
    certify server ca
    certify client ca
    serve h2 server.crt server.key ca.crt
    local load="users: 2, iterations: 20, http: 2" request="{ name: a, request: \"https://127.0.0.1:$PORT/\", expect: { json: { \$.client: client } } }"
    drive <<<"{ version: 1, name: t, load: { $load, tls: { ca: ca.crt, cert: client.crt, key: client.key }, scenarios: [$request] } }"
    is "l['requests'] == 20 and l['errors'] == 0"
    drive <<<"{ version: 1, name: t, load: { $load, tls: { cert: client.crt, key: client.key }, scenarios: [$request] } }"
    is "l['errors_by_kind'] == {'tls': 20}" # an authority that nobody knows
    drive <<<"{ version: 1, name: t, load: { $load, tls: { insecure: true, cert: client.crt, key: client.key }, scenarios: [$request] } }"
    is "l['requests'] == 20 and l['errors'] == 0"
    drive <<<"{ version: 1, name: t, load: { $load, tls: { ca: ca.crt }, scenarios: [$request] } }"
    is "l['errors'] == 20 and set(l['errors_by_kind']) <= {'tls', 'reset', 'closed', 'protocol'}" # no certificate of ours
}

@test "S03 HTTP/1.1 over TLS, and a server that cannot HTTP/2 is told of" {
    needs node openssl
    certify ca
    certify server ca
    serve https server.crt server.key
    drive <<<"{ version: 1, name: t, load: { users: 2, iterations: 20, tls: { ca: ca.crt }, scenarios: [{ name: a, request: \"https://127.0.0.1:$PORT/\", expect: { json: { \$.version: '1.1' } } }] } }"
    is "l['requests'] == 20 and l['errors'] == 0 and l['generator']['connections'] == 2"
    drive <<<"{ version: 1, name: t, load: { users: 2, iterations: 20, http: 2, tls: { ca: ca.crt }, scenarios: [{ name: a, request: \"https://127.0.0.1:$PORT/\" }] } }"
    is "l['errors_by_kind'] == {'protocol': 20}"
}

@test "S04 a stream that is reset is an error, a connection that is taken away is none" {
    needs node
    serve h2c
    drive <<<"{ version: 1, name: t, load: { users: 1, iterations: 20, http: 2, scenarios: [{ name: a, request: 'http://127.0.0.1:$PORT/reset' }] } }"
    is "l['errors'] == 20 and set(l['errors_by_kind']) <= {'reset', 'protocol'}"
    drive <<<"{ version: 1, name: t, load: { users: 1, iterations: 20, http: 2, scenarios: [{ name: a, request: 'http://127.0.0.1:$PORT/goaway' }] } }"
    is "l['requests'] == 20 and l['errors'] == 0 and l['generator']['connections'] >= 10"
}

@test "S05 nginx: sessions of ours over its connections, both engines alike" {
    needs nginx
    local port engine
    port=$(free_port)
    mkdir -p www logs
    printf '{"n": [1, 2]}' >www/x.json
    printf 'daemon off; worker_processes 1; pid %s/n.pid; error_log stderr; events { worker_connections 256; }\nhttp { access_log off; client_body_temp_path %s; proxy_temp_path %s; fastcgi_temp_path %s; uwsgi_temp_path %s; scgi_temp_path %s;\nserver { listen 127.0.0.1:%s; root %s/www; add_header Set-Cookie "seen=$request_id; Path=/"; location = /old { return 301 /x.json; } location = /who { if ($cookie_seen = "") { return 403; } return 200 "ok"; } } }' \
        "$WORK" "$WORK/logs" "$WORK/logs" "$WORK/logs" "$WORK/logs" "$WORK/logs" "$port" "$WORK" >n.conf
    chmod 755 "$WORK"
    nginx -c "$WORK/n.conf" -e stderr >nginx.out 2>&1 3>&- &
    PIDS+=($!)
    wait_for 10 curl -sf -o /dev/null "http://127.0.0.1:$port/x.json"
    for engine in own curl; do
        drive <<Y
version: 1
name: t
load:
  engine: $engine
  users: 4
  iterations: 200
  cookies: true
  follow: same-host
  scenarios:
    - name: s
      steps:
        - { name: list, request: "http://127.0.0.1:$port/x.json", expect: { json: { "$.n": { length: "== 2" } } }, extract: { n: { json: "$.n[1]" } } }
        - { name: old, request: "http://127.0.0.1:$port/old?n=\${user:n}", expect: { status: 200 } }
        - { name: who, request: "http://127.0.0.1:$port/who", expect: { body: ok } }
Y
        is "l['requests'] == 600 and l['errors'] == 0 and l['generator']['connections'] <= 4"
    done
}

@test "S06 redis in raw steps; its own benchmark as the driver" {
    needs redis-server redis-benchmark
    local port
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no >redis.out 2>&1 3>&- &
    PIDS+=($!)
    wait_for 10 redis-cli -p "$port" ping
    drive <<Y
version: 1
name: t
load:
  - name: raw
    users: 4
    iterations: 100
    scenarios:
      - name: s
        steps:
          - { name: set, tcp: { address: "127.0.0.1:$port", framing: resp, command: [SET, "k\${user:id}", "v\${gen:iteration}"] } }
          - { name: get, tcp: { address: "127.0.0.1:$port", framing: resp, command: [GET, "k\${user:id}"] }, expect: { body: "v" } }
          - { name: bad, tcp: { address: "127.0.0.1:$port", framing: resp, command: [NOTHING] }, on_failure: continue }
  - name: bench
    exec:
      command: [redis-benchmark, -p, "$port", -n, "2000", -t, ping_mbulk, --csv]
      counters: { rps: '^"PING_MBULK","([0-9.]+)"' }
Y
    is "l['requests'] == 300 and l['errors_by_kind'] == {'status': 100}"
    [ "$(redis-cli -p "$port" dbsize)" -ge 4 ]
    is "l['metrics'][0]['name'] == 'rps'"
}

@test "S07 a load reaches only what its profile names, and says so in a sentence" {
    drive <<<"{ version: 1, name: t, load: { users: 1, variables: { host: x }, scenarios: [{ name: a, request: 'http://\${user:host}/' }] } }"
    [ "$status" -eq 2 ]
    [[ "$output" == *"a load reaches the hosts its profile names"* ]]
    drive <<<"{ version: 1, name: t, load: { users: 1, scenarios: [{ name: a, request: 'ftp://127.0.0.1/' }] } }"
    [ "$status" -eq 2 ]
}

# Row B22: the server is the target, and everything it does to its clients is an error of its own kind. Nothing listens on the
# refused port; of 100 000 requests a second to it all are counted, and hardly any is sent.
@test "S08 B22: every vice of a hostile server has its own kind, and 100 000 errors a second stop no sample" {
    local port refused
    port=$(free_port) refused=$(free_port)
    cat >p.yaml <<Y
version: 1
name: vandal
target: { command: [$TARGETS/vandal_http, "$port"], life: service, ready: { http: "http://127.0.0.1:$port/ok", within: 20s } }
run: { duration: 5s, interval: 100ms, drain: 500ms, early_stop: false }
load:
  - { name: users, users: 64, timeout: 1s, scenarios: [{ name: users, request: "http://127.0.0.1:$refused/" }] }
  - { name: storm, rate: 100000/s, timeout: 1s, scenarios: [{ name: storm, request: "http://127.0.0.1:$refused/" }] }
  - name: vices
    rate: 80/s
    connections: 100
    timeout: 700ms
    body_max: 1MB
    follow: same-host
    scenarios:
      - { name: endless, request: "http://127.0.0.1:$port/endless" }
      - { name: loris, request: "http://127.0.0.1:$port/loris" }
      - { name: reset, request: "http://127.0.0.1:$port/reset" }
      - { name: cut, request: "http://127.0.0.1:$port/cut" }
      - { name: headers, request: "http://127.0.0.1:$port/headers" }
      - { name: garbage, request: "http://127.0.0.1:$port/garbage" }
      - { name: away, request: "http://127.0.0.1:$port/to-host?port=1" }
      - { name: elsewhere, request: "http://127.0.0.1:$port/to-file" }
      - { name: round, request: "http://127.0.0.1:$port/to-self" }
      - { name: tls, request: "https://127.0.0.1:$port/ok" }
      - { name: name, request: "http://no-such-host.invalid/" }
      - { name: bomb, request: { url: "http://127.0.0.1:$port/gzip-bomb", headers: { Accept-Encoding: gzip } }, expect: { body: { contains: x } } }
      - { name: unpacked, request: { url: "http://127.0.0.1:$port/not-gzip", headers: { Accept-Encoding: gzip } }, expect: { body: { contains: x } } }
gates: [ "http.errors <= 100%" ]
Y
    run "$SEEP" run --name vandal --profile p.yaml
    echo "$output"
    [ "$status" -lt 4 ]
    valid_verdict vandal
    # A busy machine may miss a tick, and then says so; no tick is missing without a word.
    sampled vandal 10
    python3 - "$SEEP_RESULTS/vandal/verdict.json" <<'PY'
import json, sys
load = json.load(open(sys.argv[1]))["load"]
by_name = {s["name"]: s for s in load["scenarios"]}
kinds = {name: s["errors_by_kind"] for name, s in by_name.items()}
print(json.dumps(kinds), load["generator"])
for name, kind in {"endless": "too_large", "loris": "timeout", "reset": "reset", "cut": "closed", "headers": "head_too_large", "garbage": "protocol",
                   "away": "host", "elsewhere": "host", "round": "redirects", "tls": "tls", "name": "dns", "bomb": "too_large", "unpacked": "decode"}.items():
    kinds[name].pop("connect", 0)  # of a machine too busy for it; the bomb is packed at its first request
    if name != "loris": kinds[name].pop("timeout", 0)
    assert set(kinds[name]) == {kind} and sum(kinds[name].values()) > 0, name
# Each user pauses for 5 ms at least, then for twice as long and so on up to a second: some ten attempts in five seconds.
assert 64 <= kinds["users"].get("refused", 0) + kinds["users"].get("back_off", 0) <= 64 * 20
storm = kinds["storm"]
assert set(storm) == {"refused", "back_off"} and sum(storm.values()) == by_name["storm"]["requests"]
assert storm["refused"] <= 100 + 5500 and storm["back_off"] > 50000, storm  # some of 500 000: a busy machine drops starts, and says so
assert by_name["storm"]["started"] + by_name["storm"]["dropped"] >= 0.99 * by_name["storm"]["offered"]
PY
}

# What the load needs is looked at before the target is started: `marker` would be there.
@test "S09 a table, a certificate, a variable of the environment that is not there ends it before anything starts" {
    printf '\xef\xbb\xbfname,word\r\n"a,b","say ""hi"""\r\n"two\nlines",\xc3\xa9\r\n' >good.csv
    printf 'name,word\na,b\nc\n' >bad.csv
    local more
    for more in "engine: own" "data: { d: bad.csv }" "data: { d: none.csv }" "tls: { ca: none.pem }" 'headers: { A: "${env:S09_NOT_SET}" }' \
        'data: { d: good.csv }, variables: { x: "${data:d.nothing}" }'; do
        cat >p.yaml <<<"{ version: 1, name: t, target: { command: [touch, marker] }, run: { duration: 1s }, load: { rate: 1/s, $more, scenarios: [{ request: 'https://127.0.0.1:1/' }] } }"
        run "$SEEP" run -p p.yaml
        echo "$more: $output"
        [ "$status" -eq 2 ]
        run "$SEEP" load p.yaml
        [ "$status" -eq 2 ]
    done
    [[ "$output" == *"no column 'nothing'; it has name, word"* ]]
    [ ! -e marker ]
}

@test "S10 another program as the driver: what it prints is taken, and when it fails nothing is decided" {
    cat >driver <<'S'
#!/bin/sh
echo "progress: 1.0 s, 41.5 tps"
printf '{\n  "metrics": {\n    "reqs": { "count": 7 }\n  }\n}\n'
exit "$1"
S
    chmod 755 driver
    local status_of
    for status_of in 0 3; do
        drive <<Y
version: 1
name: t
load:
  exec:
    command: [./driver, "$status_of"]
    cwd: $WORK
    counters: { tps: "([0-9.]+) tps", reqs: { json: \$.metrics.reqs.count, total: true } }
Y
        [ "$status" -eq "$status_of" ]
        is "{m['name']: m['sum'] for m in l['metrics']} == {'tps': 41.5, 'reqs': 7} and l['generator']['programs'] == 1"
    done
    is "l['generator']['status'] == 'failed' and l['generator']['programs_failed'] == 1"
    # In a run it is no verdict on the target, however flat that is; the exit status stands among the events.
    cat >p.yaml <<Y
version: 1
name: t
target: { command: [sleep, "60"], life: service }
run: { duration: 4s, interval: 200ms, drain: 0s, early_stop: false }
attribution: { mode: off }
load: { exec: { command: [./driver, "3"], cwd: $WORK, counters: { tps: "([0-9.]+) tps" } } }
gates: [ "rss.total_growth < 1GB" ]
Y
    run "$SEEP" run --name exec -p p.yaml
    echo "$output"
    [ "$status" -eq 3 ]
    valid_verdict exec
    verdict exec '[g["status"] for g in v["gates"]] == ["pass"] and v["load"]["generator"]["status"] == "failed"'
    verdict exec '[e for e in v["events"] if "exit status 3" in e["text"]] != [] and v["load"]["metrics"][0]["sum"] == 41.5'
}
