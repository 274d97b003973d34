#!/usr/bin/env bats
# Programs nobody here wrote: started, ready, sampled, attributed, judged, shut down, reported.
load ../lib/seep.bash
setup() { seep_setup; PORT=$(free_port); }
teardown() { seep_teardown; }

# check NAME: what every real program must show after its run.
check() {
    valid_verdict "$1"
    verdict "$1" 'v["verdict"] in ("pass", "inconclusive", "fail")'
    sampled "$1"
    verdict "$1" 'v["shutdown"]["status"] == "pass"'
    verdict "$1" '"rss" in v["growth"]'
}

attributed() {
    verdict "$1" '"heap" in v["growth"]'
    verdict "$1" 'len(v["stacks"]) > 0 and any(f["function"] for s in v["stacks"] for f in s["frames"])'
}

soak() { # soak NAME READY ARGS...
    local name=$1 ready=$2
    shift 2
    run "$SEEP" run -q --name "$name" --duration 8s -o target.life=service -o "target.ready={\"tcp\": \"$ready\", \"within\": \"60s\"}" "$@"
    echo "$output"
    [ "$status" -le 3 ] && [ "$status" -ne 2 ]
}

@test "B01 redis-server" {
    soak redis 127.0.0.1:$PORT -- redis-server --port "$PORT" --save ''
    check redis
    attributed redis
    verdict redis 'v["target"]["allocator"].startswith("jemalloc")'
}

@test "B02 memcached" {
    soak memcached 127.0.0.1:$PORT -- memcached -u nobody -l 127.0.0.1 -p "$PORT"
    check memcached
    attributed memcached
}

@test "B03 python3 -m http.server" {
    soak python 127.0.0.1:$PORT -- python3 -m http.server --bind 127.0.0.1 "$PORT"
    check python
    attributed python
}

@test "B04 node" {
    cat >server.js <<JS
require("http").createServer((q, r) => r.end("ok")).listen($PORT, "127.0.0.1")
JS
    soak node 127.0.0.1:$PORT -- node server.js
    check node
    attributed node
}

@test "B05 nginx with workers" {
    mkdir -p ngx/logs
    cat >ngx/nginx.conf <<CONF
daemon off; worker_processes 2; pid $WORK/ngx/pid; error_log $WORK/ngx/error.log;
events { worker_connections 64; }
http { access_log off; client_body_temp_path $WORK/ngx/b; proxy_temp_path $WORK/ngx/p; fastcgi_temp_path $WORK/ngx/f;
  uwsgi_temp_path $WORK/ngx/u; scgi_temp_path $WORK/ngx/s;
  server { listen 127.0.0.1:$PORT; location / { return 200 "ok"; } } }
CONF
    soak nginx 127.0.0.1:$PORT -- /usr/sbin/nginx -c "$WORK/ngx/nginx.conf" -p "$WORK/ngx"
    check nginx
    attributed nginx
}

@test "B06 postgres" {
    local bin
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    local as=()
    mkdir pg sock
    if [ "$(id -u)" = 0 ]; then
        seep_for_all_users
        chown postgres pg sock
        as=(-o target.user=postgres)
        setpriv --reuid=postgres --regid=postgres --init-groups "$bin/initdb" -D "$WORK/pg" -A trust >/dev/null
    else
        id -un >/dev/null 2>&1 || skip "PostgreSQL needs a user with a name, and $(id -u) has none"
        "$bin/initdb" -D "$WORK/pg" -A trust >/dev/null
    fi
    soak postgres 127.0.0.1:$PORT "${as[@]}" -o shutdown.signal=INT -- "$bin/postgres" -D "$WORK/pg" -p "$PORT" -h 127.0.0.1 -k "$WORK/sock"
    check postgres
    attributed postgres
}

@test "B07 the allocators programs link: attributed to the leaking stack, and not harmed" {
    local name pids=()
    for name in jemalloc tcmalloc mimalloc; do
        [ -x "$TARGETS/workload_$name" ] || skip "lib$name is not installed"
        # 0.4 MB/s beside churn on eight paths; tcmalloc's first sbrk() and first malloc_usable_size() allocate
        decide "$name" --duration 12s -- "$TARGETS/workload_$name" leak=400000 >/dev/null &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" && false || [ $? = 1 ]
    done
    for name in jemalloc tcmalloc mimalloc; do
        verdict "$name" 'v["verdict"] == "fail" and v["exit_code"] == 1 and v["shutdown"]["status"] == "pass"'
        verdict "$name" '[g["status"] for g in v["gates"] if g["name"] == "stack.growth"] == ["fail"]'
        verdict "$name" '"forget_record" in [f["function"] for f in v["stacks"][0]["frames"]]'
        verdict "$name" "v['target']['allocator'].startswith('$name')"
    done
}

@test "B08 programs nobody here wrote do what they do without us: output, errors, status, signals, descriptors, files" {
    run "$SEEP_SOURCE/tests/fault/same" -q -b "$SEEP_BUILD"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(grep -c ' same$' <<<"$output")" -ge 3 ] # of what is installed here
}
