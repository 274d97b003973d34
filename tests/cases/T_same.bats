#!/usr/bin/env bats
# What seep attach says of a program is what seep run says of it: the same growth, by the same call stacks. And whole families of
# processes seen from outside: those of nginx that a reload puts in the place of others, and a session of postgres.
load ../lib/seep.bash
load ../lib/attach.bash

# twins NAME N: the N stacks that grow most are the same in runs NAME-run and NAME-attach, by their own functions, and grow as fast. The
# programs keep pace with the clock; what is left is how straight a line ten seconds on a busy machine give.
twins() {
    python3 - "$SEEP_RESULTS" "$1" "$2" <<'PY'
import json, os, sys
base, name, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
def stacks(which):
    v = json.load(open(f"{base}/{name}-{which}/verdict.json"))
    sums = {}
    for s in v["stacks"]:
        own = tuple(f["function"].split("(")[0] for f in s["frames"] if f["library"] != "yes" and f["function"])
        if s["ci90"] and s["ci90"][0] is not None and s["slope_bytes_per_hour"] > 0:
            was = sums.get(own, (0, 0, 0))
            sums[own] = (was[0] + s["slope_bytes_per_hour"], was[1] + s["ci90"][0], was[2] + s["ci90"][1])
    return sorted(sums.items(), key=lambda x: -x[1][0])[:n]
a, b = dict(stacks("run")), dict(stacks("attach"))
print(name, *a.items(), "", *b.items(), sep="\n  ")
assert len(a) == n and set(a) == set(b), "other stacks"
for k in a:
    assert max(a[k][1], b[k][1]) <= 1.3 * min(a[k][2], b[k][2]), ("apart", k, a[k], b[k])
PY
}
LONG=(--duration 12s --interval 100ms -o run.early_stop=false -o 'gates=["stack.growth < 1MB/h"]')
under_run() { # under_run NAME COMMAND...
    local name=$1
    shift
    "$SEEP" run -q --name "$name-run" "${LONG[@]}" -o attribution.mode=exact -o target.life=service -- "$@" >"$name-run.txt" 2>&1 &
    WATCH[$name-run]=$!
}
under_attach() { # under_attach NAME PID
    "$SEEP" attach -q --name "$1-attach" "${LONG[@]}" "$2" >"$1-attach.txt" 2>&1 &
    WATCH[$1-attach]=$!
}
answers() { [ "$(redis-cli -p "$1" ping 2>/dev/null)" = PONG ]; }

@test "T31 the same program under seep run and under seep attach: the same stacks grow, as fast; in C, in C++, and redis" {
    needs_uprobes BPF
    command -v redis-server >/dev/null || skip "no redis-server"
    local k p port=() keys
    for k in why_lost grow_cxx; do
        under_run "$k" "$TARGETS/$k"
        "$TARGETS/$k" >/dev/null &
        MORE+=("$!")
        under_attach "$k" "$!"
    done
    port=("$(free_port)" "$(free_port)")
    local redis=(redis-server --bind 127.0.0.1 --save "" --dir "$WORK" --port)
    "${redis[@]}" "${port[1]}" >redis.out 2>&1 &
    MORE+=("$!")
    wait_for 30 answers "${port[1]}"
    under_attach redis "${MORE[-1]}"
    under_run redis "${redis[@]}" "${port[0]}"
    wait_for 30 answers "${port[0]}"
    # Both get the same keys at the same times, 500 a second by the clock.
    cat >fill.py <<'PY'
import socket, sys, time
ends = [socket.create_connection(("127.0.0.1", int(p))) for p in sys.argv[1:]]
began, n = time.monotonic(), 0
while ends:
    due = int((time.monotonic() - began) * 500)
    batch = b"".join(b"*3\r\n$3\r\nSET\r\n$9\r\nk%08d\r\n$300\r\n%b\r\n" % (i, b"x" * 300) for i in range(n, due))
    n = max(n, due)
    for s in list(ends):
        try:
            s.sendall(batch)
            s.setblocking(False)
            try:
                if s.recv(1 << 16) == b"":
                    ends.remove(s)
            except BlockingIOError:
                pass
            s.setblocking(True)
        except OSError:
            ends.remove(s)
    time.sleep(0.02)
PY
    python3 fill.py "${port[@]}" &
    MORE+=("$!")
    for k in why_lost grow_cxx redis; do
        for p in run attach; do
            watched "$k-$p"
            [ "$status" -eq 1 ]
        done
    done
    twins why_lost 1
    twins grow_cxx 2
    twins redis 1
}

attributed() { verdict "$1" "any('pid $2 (' in e['text'] and e['text'].endswith('is attributed.') for e in v['events'])"; }
other_workers() { # other_workers MASTER OLD...: two that are none of the old ones, and these are gone
    local now
    now=$(pgrep -P "$1" | sort | tr '\n' ' ')
    [ "$(wc -w <<<"$now")" -eq 2 ] && [ "$now" != "$2" ] && [ -z "$(comm -12 <(tr ' ' '\n' <<<"$now" | grep .) <(tr ' ' '\n' <<<"$2" | grep .))" ]
}

@test "T32 nginx is reloaded while it is watched: the old workers go, the new ones are attributed, and nothing is accused" {
    needs_uprobes BPF
    local port old new pid
    web_server
    old=$(pgrep -P "$TARGET" | sort | tr '\n' ' ')
    "$SEEP" attach --detach --name ngx --duration 300s --interval 100ms -o target.life=service -o 'gates=["stack.growth < 1MB/h","heap.growth < 1MB/h"]' "$TARGET" >/dev/null
    wait_for 60 has_samples ngx 30 # a process is asked who it is once it is a second old
    kill -HUP "$TARGET"
    wait_for 60 other_workers "$TARGET" "$old"
    new=$(pgrep -P "$TARGET" | sort | tr '\n' ' ')
    # What the reload allocates lies in the first half then.
    local at
    at=$(samples ngx)
    while [ "$(samples ngx)" -lt $((2 * at + 60)) ]; do
        for pid in 1 2 3 4 5 6 7 8; do curl -fs "http://127.0.0.1:$port/" -o /dev/null; done
        sleep 0.2
    done
    "$SEEP" stop ngx
    run "$SEEP" wait ngx
    "$SEEP" report ngx
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    valid_verdict ngx
    verdict ngx 'v["evidence"]["attribution"] == "exact" and not [g for g in v["gates"] if g["status"] == "fail"]'
    for pid in $old $new; do attributed ngx "$pid"; done
    for pid in $TARGET $new; do
        kill -0 "$pid"
        [ "$(grep -c '^TracerPid:.0$' "/proc/$pid/status")" -eq 1 ]
    done
    curl -fs "http://127.0.0.1:$port/" -o /dev/null
    kill "$TARGET"
    wait "$TARGET" || true
    TARGET=
}

@test "T33 postgres: a session that prepares statements for ever, begun after the attach, is found in its own process" {
    needs_uprobes BPF
    local bin port
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [ -n "$bin" ] && id postgres >/dev/null 2>&1 || skip "no PostgreSQL"
    port=$(free_port)
    seep_for_all_users
    mkdir pg sock
    chown postgres pg sock
    runuser -u postgres -- "$bin/initdb" -D "$WORK/pg" -A trust >/dev/null
    setpriv --reuid=postgres --regid=postgres --init-groups "$bin/postgres" -D "$WORK/pg" -p "$port" -h 127.0.0.1 -k "$WORK/sock" >pg.out 2>&1 &
    TARGET=$!
    sql() { psql -q -h 127.0.0.1 -p "$port" -U postgres -d postgres "$@"; }
    ready() { sql -c 'select 1' >/dev/null 2>&1; }
    wait_for 60 ready
    "$SEEP" attach --detach --name pg --duration 300s --interval 100ms -o target.life=service -o attribution.cost=500ms "$TARGET" >/dev/null
    wait_for 30 has_samples pg 5
    python3 -c 'import sys, time
began = time.monotonic()
for i in range(100000):
    time.sleep(max(0, began + i * 0.006 - time.monotonic()))
    print(f"prepare s{i} as select {i}, count(*) from pg_class where relname = $$x{i}$$;", flush=True)' 2>/dev/null | psql -q -h 127.0.0.1 -p "$port" -U postgres -d postgres >/dev/null 2>&1 &
    MORE+=("$!")
    session_lives() { SESSION=$(pgrep -P "$TARGET" -f 'postgres: postgres postgres' | head -n 1) && [ -n "$SESSION" ]; }
    wait_for 30 session_lives
    local at
    at=$(samples pg)
    wait_for 180 has_samples pg $((at + 120))
    "$SEEP" stop pg
    run "$SEEP" wait pg
    "$SEEP" report pg
    valid_verdict pg
    [ "$status" -eq 1 ]
    attributed pg "$SESSION"
    verdict pg 'sum(e["text"].endswith("(postgres) is attributed.") for e in v["events"]) >= 4'
    verdict pg 'any(w in (f["function"] or "") for s in v["stacks"][:3] for f in s["frames"] for w in ("PrepareQuery", "CachedPlan", "StorePreparedStatement"))'
    kill -0 "$SESSION"
    ready
    kill "${MORE[-1]}"
    kill -INT "$TARGET"
    wait "$TARGET" || true
    TARGET=
}
