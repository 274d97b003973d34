#!/usr/bin/env bats
# Trees of processes: forked workers, chains of exec, daemons; growth summed over them under the right functions, and what became
# of each process's attribution in the report.
load ../lib/seep.bash
setup() { seep_setup; PORT=$(free_port); }
teardown() { seep_teardown; }

said() { sqlite3 "$SEEP_RESULTS/$1/run.db" "select text from event where kind = 'process'" | tee /dev/stderr | grep -Eq "$2"; }
grows_in() { # grows_in NAME REGEX: one of the first five growing stacks goes through a function of that name
    verdict "$1" "[f['function'] for s in v['stacks'][:5] for f in s['frames']]"
    verdict "$1" "any(__import__('re').search(r'$2', f['function'] or '') for s in v['stacks'][:5] if s['slope_bytes_per_hour'] > 0 for f in s['frames'])"
}

@test "P01 a script, a shell and a program that execute each other: the last one is attributed" {
    printf '#!/bin/sh\nexec sh -c "exec %s 2000"\n' "$TARGETS/leak_c" >chain.sh
    chmod +x chain.sh
    run decide chain --duration 8s -o target.life=service -- ./chain.sh
    echo "$output"
    [ "$status" -eq 1 ]
    valid_verdict chain
    said chain 'leak_c.* is attributed\.'
    grows_in chain 'audit_record_new'
    sum=$(sha256sum "$TARGETS/leak_c" | cut -d' ' -f1)
    verdict chain "v['target']['sha256'] == '$sum' and v['target']['identity'][0]['sha256'] == '$sum'"
}

@test "P01b the identity is that of the program which runs, however late it came" {
    run "$SEEP" run -q --name late --duration 3s -o run.interval=250ms -- sh -c "sleep 1; exec '$TARGETS/leak_c' 0"
    sum=$(sha256sum "$TARGETS/leak_c" | cut -d' ' -f1)
    verdict late "v['target']['sha256'] == '$sum' and v['target']['identity'][0]['sha256'] == '$sum'"
}

@test "P02 a child whose environment was cleared, and a static one, are named with the reason" {
    cat >mixed.sh <<SH
env -i "$TARGETS/leak_c" 0 &
"$TARGETS/static_malloc" >/dev/null &
exec "$TARGETS/leak_c" 0
SH
    run "$SEEP" run -q --name mixed --duration 4s -o target.life=service -o 'gates=["rss.total_growth < 1GB"]' -- sh mixed.sh
    echo "$output"
    said mixed 'leak_c.* is attributed\.'
    said mixed 'leak_c.* is not attributed: its environment was cleared of LD_PRELOAD'
}

@test "P03 a daemon: the main process ends, life tree follows what it left, attributed" {
    run "$SEEP" run -q --name daemon --duration 5s -o target.life=tree -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/daemonise" 0
    echo "$output"
    [ "$status" -ne 4 ]
    valid_verdict daemon
    sampled daemon
    said daemon 'daemonise.* is attributed'
    verdict daemon 'v["shutdown"]["status"] == "pass" and v["shutdown"]["after_s"] > 0 and v["shutdown"]["children_left"] == 0'
    verdict daemon '"the rest of the tree ended in" in v["shutdown"]["reason"]'
}

@test "P04 attribution.children off: only the main process is attributed" {
    run "$SEEP" run -q --name alone --duration 4s -o attribution.children=false -o target.life=service \
        -o 'gates=["rss.total_growth < 1GB"]' -- sh -c "$TARGETS/leak_c 0 & $TARGETS/leak_c 0; wait"
    echo "$output"
    said alone 'sh.* is attributed\.'
    said alone 'leak_c.* is not attributed'
    if said alone 'leak_c.* is attributed\.'; then return 1; fi
}

@test "P05 nginx: connections that pile up in its workers are found there" {
    mkdir -p ngx/logs
    cat >ngx/nginx.conf <<CONF
daemon off; worker_processes 2; pid $WORK/ngx/pid; error_log $WORK/ngx/error.log; worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http { access_log off; keepalive_timeout 300s; keepalive_requests 1000000;
  client_body_temp_path $WORK/ngx/b; proxy_temp_path $WORK/ngx/p; fastcgi_temp_path $WORK/ngx/f;
  uwsgi_temp_path $WORK/ngx/u; scgi_temp_path $WORK/ngx/s;
  server { listen 127.0.0.1:$PORT reuseport; location / { return 200 "ok"; } } }
CONF
    # A client that only ever opens connections, and sends half a request on each: the worker keeps its buffers.
    cat >pile.py <<PY
import resource, socket, time
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
kept = []
end = time.monotonic() + 60
while time.monotonic() < end and len(kept) < 3500:
    try:
        s = socket.create_connection(("127.0.0.1", $PORT), 1)
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ")
        kept.append(s)
    except OSError:
        if kept: break
    time.sleep(0.004)
PY
    python3 pile.py &
    local client=$!
    run "$SEEP" run -q --name nginx --duration 8s -o target.life=service -o shutdown.within=30s \
        -o "target.ready={\"tcp\": \"127.0.0.1:$PORT\", \"within\": \"20s\"}" -- /usr/sbin/nginx -c "$WORK/ngx/nginx.conf" -p "$WORK/ngx"
    kill "$client" 2>/dev/null || true
    wait "$client" || true
    echo "$output"
    valid_verdict nginx
    [ "$(sqlite3 results/nginx/run.db "select count(*) from event where kind = 'process' and text like '%nginx%is attributed%'")" -ge 3 ]
    grows_in nginx 'ngx_(http_)?(create_request|wait_request_handler|create_pool|palloc|init_connection|alloc)'
}

@test "P06 postgres: a session that prepares statements for ever is found in its own process" {
    local bin as=()
    bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)
    mkdir pg sock
    if [ "$(id -u)" = 0 ]; then
        seep_for_all_users
        chown postgres pg sock
        as=(-o target.user=postgres)
        runuser -u postgres -- "$bin/initdb" -D "$WORK/pg" -A trust >/dev/null
    else
        id -un >/dev/null 2>&1 || skip "PostgreSQL needs a user with a name, and $(id -u) has none"
        "$bin/initdb" -D "$WORK/pg" -A trust >/dev/null
    fi
    # One session, a new statement every few milliseconds, none given back.
    cat >prepare.sh <<SH
until psql -q -h 127.0.0.1 -p $PORT -U \$1 -d postgres -c 'select 1' >/dev/null 2>&1; do sleep 0.2; done
python3 -c 'import time
for i in range(20000):
    print(f"prepare s{i} as select {i}, count(*) from pg_class where relname = \$\$x{i}\$\$;", flush=True)
    time.sleep(0.004)' | exec psql -q -h 127.0.0.1 -p $PORT -U \$1 -d postgres
SH
    setsid bash prepare.sh "$([ "$(id -u)" = 0 ] && echo postgres || id -un)" >/dev/null 2>&1 &
    local client=$!
    run "$SEEP" run -q --name pg --duration 10s -o target.life=service "${as[@]}" -o shutdown.signal=INT \
        -o "target.ready={\"tcp\": \"127.0.0.1:$PORT\", \"within\": \"20s\"}" \
        -- "$bin/postgres" -D "$WORK/pg" -p "$PORT" -h 127.0.0.1 -k "$WORK/sock"
    kill -- "-$client" 2>/dev/null || true
    wait "$client" || true
    echo "$output"
    valid_verdict pg
    [ "$(sqlite3 results/pg/run.db "select count(*) from event where kind = 'process' and text like '%postgres%is attributed%'")" -ge 3 ]
    grows_in pg 'PrepareQuery|CreateCachedPlan|CompleteCachedPlan|SaveCachedPlan|StorePreparedStatement|standard_ProcessUtility'
}

@test "P07 a program of another C library (musl) in the tree runs as it does without us" {
    command -v musl-gcc >/dev/null || skip "musl-gcc is not installed"
    cat >m.c <<'C'
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
int main(void)
{
    int status;
    void *volatile p = realloc(malloc(100), 5000);
    free(p);
    pid_t pid = fork();
    if (pid == 0) {
        free(malloc(10));
        _exit(7);
    }
    waitpid(pid, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    return 3;
}
C
    musl-gcc -O2 -o m m.c
    run "$SEEP" run -q --name musl --output log --duration 3s -- sh -c './m >out.txt 2>&1; echo $? >>out.txt; exec sleep 2'
    echo "$output"
    cat out.txt
    [ "$(cat out.txt)" = "$(printf 'child 7\n3')" ]
}

@test "P08 a program that has no file, and children that are never reaped: attributed, and counted" {
    cat >memfd.py <<'PY'
import os, sys
fd = os.memfd_create("program")
os.write(fd, open(sys.argv[1], "rb").read())
os.execve(fd, ["program", "0"], os.environ)
PY
    "$SEEP" run -q --name memfd --duration 4s -o target.life=service -- /usr/bin/python3 memfd.py "$TARGETS/leak_c" >memfd.out 2>&1 &
    local pid=$!
    decide zombies --duration 13s --interval 150ms -o run.early_stop=false -o target.life=service -o 'gates=["zombies.growth < 1/h"]' -- /usr/bin/python3 -c '
import os, time
while True:
    if os.fork() == 0: os._exit(0)
    time.sleep(0.02)' >zombies.out 2>&1 || echo "exit $?" >zombies.code
    wait "$pid" || [ $? -eq 3 ]
    cat memfd.out zombies.out
    verdict memfd 'any("memfd:program) is attributed" in e["text"] for e in v["events"] if e["kind"] == "process") or v["evidence"]["attribution"] == "exact"'
    grep -qx "exit 1" zombies.code
    verdict zombies 'v["gates"][0]["status"] == "fail" and v["gates"][0]["value"] > 1000'
}
