#!/usr/bin/env bats
# Load over connections of our own, driven against real servers that count for themselves: redis, memcached, nginx; over TCP and unix
# sockets, kept and fresh. What seep counted is what the server saw.
load ../lib/seep.bash
setup() {
    seep_setup
    PORT=$(free_port)
    SERVER=
}
teardown() {
    if [ -n "$SERVER" ]; then
        kill "$SERVER" 2>/dev/null
        wait "$SERVER" 2>/dev/null || true
    fi
    seep_teardown
}

# load FILE: runs it; its JSON is in out.json.
run_load() {
    "$SEEP" load -f json "$1" >out.json 2>err.txt || { cat out.json err.txt; return 1; }
}

# loaded EXPRESSION: true or printed, over the load's object `l` and its scenarios by name `s`.
loaded() {
    python3 - "$1" <<'PY'
import json, sys
l = json.load(open("out.json"))["load"]
s = {x["name"]: x for x in l["scenarios"]}
r = eval(sys.argv[1])
print(r)
sys.exit(0 if r is not False else 1)
PY
}

start_redis() {
    command -v redis-server >/dev/null || skip "no redis-server"
    redis-server --bind 127.0.0.1 --port "$PORT" --unixsocket "$WORK/redis.sock" --save '' >redis.log 2>&1 &
    SERVER=$!
    wait_for 20 redis-cli -p "$PORT" ping
}

calls() { # calls COMMAND: how often this redis was asked for it
    redis-cli -p "$PORT" info commandstats | tr -d '\r' | sed -n "s/^cmdstat_$1:calls=\([0-9]*\),.*/\1/p"
}

start_memcached() {
    command -v memcached >/dev/null || skip "no memcached"
    memcached -u nobody "$@" >memcached.log 2>&1 &
    SERVER=$!
}

stat_of() { # stat_of NAME: of the memcached on PORT
    python3 - "$PORT" "$1" <<'PY'
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.sendall(b"stats\r\n")
text = b""
while not text.endswith(b"END\r\n"):
    text += s.recv(65536)
print(dict(line.split()[1:3] for line in text.decode().splitlines() if line.startswith("STAT"))[sys.argv[2]])
PY
}

start_nginx() {
    command -v nginx >/dev/null || skip "no nginx"
    mkdir -p ngx
    cat >ngx/nginx.conf <<CONF
daemon off; worker_processes 1; pid $WORK/ngx/pid; error_log $WORK/ngx/error.log;
events { worker_connections 512; }
http {
    access_log $WORK/ngx/access.log; keepalive_requests 100000;
    client_body_temp_path $WORK/ngx/a; proxy_temp_path $WORK/ngx/b; fastcgi_temp_path $WORK/ngx/c;
    uwsgi_temp_path $WORK/ngx/d; scgi_temp_path $WORK/ngx/e;
    server { listen 127.0.0.1:$PORT; listen unix:$WORK/ngx.sock;
        location / { return 200 "hello\n"; }
        location /absent { return 404; }
        location /status { stub_status; access_log off; } }
}
CONF
    nginx -p "$WORK/ngx" -c "$WORK/ngx/nginx.conf" >ngx.out 2>&1 &
    SERVER=$!
    wait_for 20 curl -sf "http://127.0.0.1:$PORT/status" -o /dev/null
    : >ngx/access.log
}

# The access log is written by the time a reply is; its lines for a path.
asked() { grep -c "\"[A-Z]* $1 HTTP" ngx/access.log; }

@test "S21 redis by its own protocol: every command arrived once, values are checked, refusals are errors" {
    start_redis
    cat >p.yaml <<YAML
version: 1
name: redis
load:
  users: 8
  iterations: 400
  duration: 60s
  scenarios:
    - name: cart
      steps:
        - { name: set, tcp: { address: "127.0.0.1:$PORT", command: [SET, "cart:\${user:id}", "item \${user:id}"] }, expect: { body: "+OK" } }
        - { name: get, tcp: { address: "127.0.0.1:$PORT", command: [GET, "cart:\${user:id}"] }, expect: { body: "item \${user:id}" } }
        - { name: bad, tcp: { address: "127.0.0.1:$PORT", command: [INCR, "cart:\${user:id}"] }, on_failure: continue }
        - { name: known, tcp: { address: "127.0.0.1:$PORT", command: [INCR, "cart:\${user:id}"] }, expect: { error_replies: true } }
YAML
    run_load p.yaml
    loaded 'l["requests"] == 1600 and l["errors"] == 400'
    [ "$(calls set)" = 400 ]
    [ "$(calls get)" = 400 ]
    [ "$(calls incr)" = 800 ]
    loaded 'l["generator"]["connections"] <= 8'
}

@test "S22 redis over a unix socket, pipelined" {
    start_redis
    cat >p.yaml <<YAML
version: 1
name: pipeline
load:
  users: 4
  iterations: 200
  duration: 60s
  scenarios:
    - name: pings
      steps:
        - { name: three, tcp: { address: "unix:$WORK/redis.sock", framing: resp, replies: 3, send: "ECHO one\r\nECHO two\r\nECHO three\r\n" },
            expect: { body: { contains: [one, two, three] } } }
YAML
    run_load p.yaml
    loaded 'l["requests"] == 200 and l["errors"] == 0'
    [ "$(calls echo)" = 600 ]
}

@test "S23 memcached: values come back whole, and its own counters agree" {
    start_memcached -l 127.0.0.1 -p "$PORT"
    wait_for 20 stat_of pid
    cat >p.yaml <<YAML
version: 1
name: memcached
load:
  users: 4
  iterations: 300
  duration: 60s
  scenarios:
    - name: pair
      steps:
        - { name: set, tcp: { address: "127.0.0.1:$PORT", framing: memcached, send: "set k\${user:id} 0 0 12\r\nVALUE\r\nEND\r\n\r\n" }, expect: { body: STORED } }
        - { name: get, tcp: { address: "127.0.0.1:$PORT", framing: memcached, send: "get k\${user:id}\r\n" }, expect: { body: "VALUE k\${user:id} 0 12" } }
        - { name: wrong, tcp: { address: "127.0.0.1:$PORT", framing: memcached, send: "nonsense\r\n" }, on_failure: continue }
YAML
    run_load p.yaml
    loaded 'l["requests"] == 900 and l["errors"] == 300'
    [ "$(stat_of cmd_set)" = 300 ]
    [ "$(stat_of get_hits)" = 300 ]
}

@test "S24 nginx over a unix socket: what was counted is what its log has" {
    start_nginx
    cat >p.yaml <<YAML
version: 1
name: unix
load:
  users: 8
  duration: 1s
  unix: $WORK/ngx.sock
  scenarios:
    - { name: there, weight: 2, request: { url: "http://any.name/" } }
    - { name: absent, weight: 1, request: { url: "http://any.name/absent" }, expect: { status: 404 } }
YAML
    run_load p.yaml
    loaded 'l["errors"] == 0 and l["requests"] > 10'
    [ "$(asked /)" = "$(loaded 's["there"]["requests"]')" ]
    [ "$(asked /absent)" = "$(loaded 's["absent"]["requests"]')" ]
}

@test "S25 connections are shared and kept, kept for each user, or fresh" {
    start_nginx
    local kind before after
    for kind in shared per-user fresh; do
        cat >p.yaml <<YAML
version: 1
name: $kind
load:
  users: 4
  iterations: 200
  duration: 60s
  connection: $kind
  scenarios: [{ name: a, request: { url: "http://127.0.0.1:$PORT/" } }]
YAML
        before=$(curl -s "http://127.0.0.1:$PORT/status" | awk 'NR == 3 { print $1 }')
        run_load p.yaml
        after=$(curl -s "http://127.0.0.1:$PORT/status" | awk 'NR == 3 { print $1 }')
        loaded 'l["requests"] == 200 and l["errors"] == 0'
        [ "$((after - before - 1))" = "$(loaded 'l["generator"]["connections"]')" ] # one is curl's
        case $kind in
        fresh) loaded 'l["generator"]["connections"] == 200' ;;
        per-user) loaded 'l["generator"]["connections"] == 4' ;;
        shared) loaded '1 <= l["generator"]["connections"] <= 4' ;;
        esac
    done
}

@test "S26 own connections and libcurl's come to the same with a real server" {
    start_nginx
    local kind
    for kind in own curl; do
        cat >p.yaml <<YAML
version: 1
name: $kind
load:
  rate: 300/s
  iterations: 300
  duration: 60s
  engine: $kind
  scenarios:
    - { name: there, weight: 3, request: { url: "http://127.0.0.1:$PORT/" } }
    - { name: absent, weight: 1, request: { url: "http://127.0.0.1:$PORT/absent" }, expect: { status: 404 } }
    - { name: head, weight: 1, request: { method: HEAD, url: "http://127.0.0.1:$PORT/" } }
YAML
        run_load p.yaml
        loaded 'l["offered"] == 300 and l["errors"] == 0'
        loaded '[(x, list(s[x]["status"]), s[x]["received_bytes"] / s[x]["requests"]) for x in s]' >"$kind.txt"
        [ "$(asked /)" = "$(loaded 's["there"]["requests"] + s["head"]["requests"]')" ]
        : >ngx/access.log
    done
    cmp own.txt curl.txt # which scenario comes how often is chance; what each reply is, is not
}
