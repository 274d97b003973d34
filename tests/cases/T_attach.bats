#!/usr/bin/env bats
# seep attach: programs that run already. Real ones and planted ones, what is left of the watching, and what is refused.
load ../lib/seep.bash
load ../lib/attach.bash

# The mappings of a process but the kernel's own page, with what in them is private, and a sum over its code.
shape() {
    python3 - "$1" <<'PY'
import hashlib, sys
pid = sys.argv[1]
code = hashlib.sha256()
for line in open(f"/proc/{pid}/maps"):
    if "[uprobes]" in line or "[heap]" in line or "[stack]" in line:
        continue
    f = line.split(maxsplit=5)
    if len(f) == 6: # what grows as the program runs has no name
        print(line.rstrip())
    if "x" in f[1] and len(f) == 6 and f[5].startswith("/"):
        a, b = (int(x, 16) for x in f[0].split("-"))
        with open(f"/proc/{pid}/mem", "rb") as mem:
            mem.seek(a)
            code.update(mem.read(b - a))
print(code.hexdigest())
PY
}

@test "T01 a leak is found and named; the program runs on with the code and mappings it had" {
    needs_uprobes
    kind leak
    shape "$TARGET" >before.txt
    run "$SEEP" attach -q --name l "${FAST[@]}" -o "$STACKS" "$TARGET"
    echo "$output"
    [ "$status" -eq 1 ]
    kill -0 "$TARGET"
    shape "$TARGET" >after.txt
    diff before.txt after.txt
    [ "$(first_function l)" = lost_here ]
    verdict l 'v["shutdown"]["status"] == "skipped" and v["target"]["argv"][1] == "leak"'
    valid_verdict l
    verdict l 'any("% of a processor to read them" in e["text"] for e in v["events"] if e["kind"] == "process")' # what it cost
    # glibc's own count is read from outside; what cannot be is no zero but absent.
    verdict l 'sum("alloc.allocated" in e["text"] and "read from outside" in e["text"] for e in v["events"]) == 1'
    verdict l 'sum(p["share"] or 0 for p in v["explained"] if p["part"] in ("heap", "fragmentation")) > 0.5'
    "$SEEP" report l -f csv >series.csv
    python3 - <<'PY'
import csv
rows = list(csv.DictReader(open("series.csv")))
named = {c: [r[c] for r in rows] for c in rows[0]}
assert not any(named.get("alloc.retained_bytes", [])) and not any(named.get("alloc.resident_bytes", [])), named.keys()
def grown(c): v = [float(x) for x in named[c] if x]; return v[-1] - v[0]
assert abs(grown("alloc.allocated_bytes") - grown("allocated_bytes")) < 0.1 * grown("allocated_bytes"), named
assert any(float(x) > 0 for x in named["heap.resident_bytes"] if x), named.keys()
PY
}

@test "T02 realloc that grows, and threads that come and go and leak: the right functions" {
    needs_uprobes BPF
    watch r realloc
    watch t threads
    watched r
    [ "$status" -eq 1 ]
    [ "$(first_function r)" = grow_here ]
    watched t
    [ "$status" -eq 1 ]
    [ "$(first_function t)" = lost_here ]
}

@test "T03 a healthy program, one whose children leak and end, and a full cache that replaces: none is accused" {
    needs_uprobes
    local k
    GATES='gates=["stack.growth < 1MB/h","heap.growth < 1MB/h"]'
    for k in steady forks replace; do
        watch "$k" "$k"
    done
    for k in steady forks replace; do
        watched "$k"
        [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    done
    verdict replace 'any("from before the attach" in g["reason"] for g in v["gates"])'
    # glibc's own count knows the old entries too.
    verdict replace '[g["status"] for g in v["gates"] if g["name"] == "heap.growth"] == ["pass"]'
    verdict replace '"own count" in v["evidence"]["heap_source"]'
}

@test "T04 the program ends: left early by a service, completed by a job; the status is the true one or not known" {
    kind dies 3
    run "$SEEP" attach -q --name s --duration 60s -o target.life=service -o attribution.mode=off "$TARGET"
    echo "$output"
    [ "$status" -eq 4 ]
    wait "$TARGET" || true
    verdict s '(v["target"]["exit"]["status"] == 3 or "not known" in v["headline"])'
    kind dies 0
    run "$SEEP" attach -q --name j --duration 60s -o attribution.mode=off "$TARGET"
    echo "$output"
    wait "$TARGET" || true
    [ "$status" -eq 3 ] || { [ "$status" -eq 4 ] && [[ "$output" == *"not known"* ]]; }
}

@test "T05 what cannot be attached to: exit 2 and a sentence each" {
    run "$SEEP" attach
    [ "$status" -eq 2 ]
    run "$SEEP" attach 12x
    [ "$status" -eq 2 ]
    run "$SEEP" attach 4194399
    [ "$status" -eq 2 ]
    [[ "$output" == *"There is no process"* ]]
    run "$SEEP" attach $$
    [ "$status" -eq 2 ]
    [[ "$output" == *ancestor* ]]
    run "$SEEP" attach 2
    [ "$status" -eq 2 ]
    [[ "$output" == *"kernel thread"* || "$output" == *"no process"* || "$output" == *ancestor* || "$output" == *"another user"* ]]
    python3 -c 'import subprocess, time; p = subprocess.Popen(["true"]); print(p.pid, flush=True); time.sleep(60)' >zombie.txt &
    TARGET=$!
    wait_for 10 test -s zombie.txt
    wait_for 10 grep -q '^State:.Z' "/proc/$(cat zombie.txt)/status"
    run "$SEEP" attach "$(cat zombie.txt)"
    [ "$status" -eq 2 ]
    [[ "$output" == *zombie* ]]
    [ ! -e "$SEEP_RESULTS" ]
}

@test "T06 watched twice, and watched although a run's probe is in it: said" {
    kind steady
    "$SEEP" attach --detach --name a --duration 60s -o attribution.mode=off "$TARGET" >/dev/null
    run "$SEEP" attach -q --duration 2s "$TARGET"
    echo "$output"
    [ "$status" -eq 2 ]
    [[ "$output" == *"watched by another"* ]]
    "$SEEP" stop a
    "$SEEP" wait a || true
    kill -0 "$TARGET"
    "$SEEP" run --detach --name p --duration 60s -o target.life=service -- "$TARGETS/leak_c" 0 >/dev/null
    local inner
    inner=$("$SEEP" status p | sed -n 's/.*target \([0-9]*\).*/\1/p' | head -n 1)
    run "$SEEP" attach -q --name b --duration 2s "$inner"
    echo "$output"
    [ "$status" -eq 3 ]
    verdict b '"probe" in v["evidence"]["attribution_reason"]'
    "$SEEP" stop p
    "$SEEP" wait p || true
}

@test "T07 an ordinary user: own processes by totals, what is missing is named; others' are refused" {
    [ "$(id -u)" = 0 ] || skip "needs a second user"
    seep_for_all_users
    chown 12345:12345 "$WORK"
    kind steady
    run setpriv --reuid=12345 --regid=12345 --clear-groups env HOME="$WORK" "$SEEP" attach -q --duration 2s "$TARGET"
    echo "$output"
    [ "$status" -eq 2 ]
    [[ "$output" == *"another user"* ]]
    kill -9 "$TARGET"
    wait "$TARGET" || true
    setpriv --reuid=12345 --regid=12345 --clear-groups "$TARGETS/attach_kinds" steady >out.txt &
    TARGET=$!
    wait_for 20 is_ready
    run setpriv --reuid=12345 --regid=12345 --clear-groups env HOME="$WORK" "$SEEP" attach -q --name u --duration 8s \
        --interval 100ms -o 'gates=["stack.growth < 1MB/h","heap.growth < 1MB/h","rss.total_growth < 1GB"]' "$TARGET"
    echo "$output"
    [ "$status" -eq 3 ]
    verdict u '"CAP_PERFMON" in v["evidence"]["attribution_reason"]'
    verdict u '[g["status"] for g in v["gates"]] == ["inconclusive", "pass", "pass"]'
    setpriv --reuid=12345 --regid=12345 --clear-groups env HOME="$WORK" "$SEEP" doctor --quick >doctor.txt || true
    grep -q "missing  uprobes.*CAP_PERFMON" doctor.txt
    # Without any right: a leak is still seen in the C library's own count.
    kill -9 "$TARGET"
    wait "$TARGET" || true
    setpriv --reuid=12345 --regid=12345 --clear-groups "$TARGETS/attach_kinds" leak >out.txt &
    TARGET=$!
    wait_for 20 is_ready
    run setpriv --reuid=12345 --regid=12345 --clear-groups env HOME="$WORK" "$SEEP" attach -q --name w "${FAST[@]}" \
        -o 'gates=["heap.growth < 1MB/h"]' "$TARGET"
    echo "$output"
    [ "$status" -eq 1 ]
    verdict w '"own count" in v["evidence"]["heap_source"]'
}

@test "T08 seep is killed: no breakpoint stays, the program runs on, resume and finish take it up" {
    needs_uprobes
    kind leak
    shape "$TARGET" >before.txt
    "$SEEP" attach --detach --name k --duration 60s --interval 100ms "$TARGET" >/dev/null
    wait_for 20 has_samples k 5
    local sup
    sup=$(supervisor k)
    kill -9 "$sup"
    wait_for 60 gone "$sup"
    kill -0 "$TARGET"
    shape "$TARGET" >after.txt
    diff before.txt after.txt
    run "$SEEP" status k
    [ "$status" -eq 3 ]
    [[ "$output" == orphaned* ]]
    "$SEEP" resume -q k >resume.txt 2>&1 &
    local resume=$!
    wait_for 20 has_samples k 8
    "$SEEP" stop k
    local code=0
    wait "$resume" || code=$?
    cat resume.txt
    [ "$code" -eq 3 ]
    kill -0 "$TARGET"
    verdict k 'len(v["evidence"]["gaps"]) >= 1 and "interrupted" in v["evidence"]["attribution_reason"]'
    "$SEEP" attach --detach --name f --duration 60s --interval 100ms -o attribution.mode=off "$TARGET" >/dev/null
    wait_for 20 has_samples f 5
    sup=$(supervisor f)
    kill -9 "$sup"
    wait_for 20 gone "$sup"
    run "$SEEP" finish -q f
    echo "$output"
    [ "$status" -eq 3 ]
    kill -0 "$TARGET"
    verdict f 'v["evidence"]["samples"] >= 5'
}

@test "T09 Ctrl-C: judged, 130, the program runs on" {
    kind steady
    "$SEEP" attach -q --name i --duration 60s -o attribution.mode=off "$TARGET" >o.txt 2>&1 &
    local pid=$! code=0
    wait_for 20 has_samples i 3
    kill -INT "$pid"
    wait "$pid" || code=$?
    [ "$code" -eq 130 ]
    kill -0 "$TARGET"
    ! grep -q uprobes "/proc/$TARGET/maps"
}

@test "T10 more calls than the budget: the stacks are given up, with a row, and nothing is made up" {
    needs_uprobes
    kind steady
    run "$SEEP" attach -q --name b "${FAST[@]}" -o attribution.events=10/s -o "$STACKS" "$TARGET"
    echo "$output"
    [ "$status" -eq 3 ]
    verdict b '"attribution.events" in v["evidence"]["attribution_reason"]'
    verdict b 'any(e["kind"] == "degraded" for e in v["events"])' || "$SEEP" report b -f json | grep -q attribution.events
}

@test "T11 redis-server, filled while it is watched: its own functions" {
    needs_uprobes
    command -v redis-server >/dev/null || skip "no redis-server"
    local port
    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save "" --dir "$WORK" >out.txt 2>&1 &
    TARGET=$!
    wait_for 20 redis-cli -p "$port" ping
    "$SEEP" attach --detach --name redis --duration 8s --interval 100ms -o "$STACKS" "$TARGET"
    local n=0
    while "$SEEP" status redis | grep -q ^running; do
        redis-cli -p "$port" eval 'for i=1,50 do redis.call("SET", "k"..ARGV[1]..":"..i, string.rep("x",200)) end' 0 $((n++)) >/dev/null
        sleep 0.05
    done
    run "$SEEP" wait redis
    "$SEEP" report redis
    [ "$status" -eq 1 ]
    verdict redis 'any("sds" in (f["function"] or "") or "dict" in (f["function"] or "") for s in v["stacks"][:5] for f in s["frames"])'
    [ "$(redis-cli -p "$port" ping)" = PONG ]
}

@test "T12 nginx with its workers and python3: watched, and they go on" {
    needs_uprobes
    local port
    web_server
    PYTHONMALLOC=malloc python3 -c '
import time
kept = []
print("ready", flush=True)
while True:
    kept.append(bytearray(20000))
    time.sleep(0.01)' >py.out &
    MORE+=("$!")
    wait_for 20 grep -q ready py.out
    watch_pid nginx "$TARGET"
    watch_pid py "${MORE[-1]}"
    watched nginx
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    verdict nginx 'v["evidence"]["attribution"] == "exact"'
    curl -fs "http://127.0.0.1:$port/" -o /dev/null
    kill "$TARGET"
    wait "$TARGET" || true
    watched py
    [ "$status" -eq 1 ]
    verdict py 'any("bytearray" in (f["function"] or "").lower() for f in v["stacks"][0]["frames"])'
    kill -0 "${MORE[-1]}"
}

# Of the stack whose innermost own function is NAME: an expression over s.
stack() { # stack RUN NAME EXPRESSION
    verdict "$1" "[($3) for s in v['stacks'] if [f['function'] for f in s['frames'] if f['library'] != 'yes'][:1] == ['$2']][0]"
}

@test "T13 why it grows, seen from outside: lost blocks and structures, a list with its variable, and what is not known" {
    needs_uprobes
    local k
    for k in leak dropped list table; do
        watch "$k" "$k"
    done
    for k in leak dropped list table; do
        watched "$k"
        [ "$status" -eq 1 ]
        valid_verdict "$k"
    done
    stack leak lost_here 's["class"] == "leak" and s["unreachable"]["blocks"] >= 20 and s["unreachable"]["agreed"] == s["unreachable"]["scans"] >= 2'
    verdict leak 'any("from before the attach" in n for n in v["not_covered"])'
    "$SEEP" report leak | grep -q "Blocks from before the attach are not checked"
    # On a busy machine the scans may decide nothing, and say so; they never say the contrary.
    for k in dropped dropped2 dropped3; do
        [ "$k" = dropped ] || { watch "$k" dropped && watched "$k"; }
        ! stack "$k" list_new 's["class"] == "container" or s["unreachable"]["blocks"] < s["unreachable"]["checked"]' || false
        ! stack "$k" list_new 's["class"] == "leak" and s["unreachable"]["blocks"] >= 20' || break
    done
    stack "$k" list_new 's["class"] == "leak" and s["unreachable"]["blocks"] >= 20'
    stack list list_new 's["unreachable"]["blocks"] == 0 and s["unreachable"]["checked"] >= 20 and s["holder"]["kind"] == "own"'
    stack list list_new '(s["entry"]["kind"], s["entry"]["name"]) == ("data", "attach_list")'
    # Its head is a block from before: neither lost nor held for sure.
    stack table list_new 's["unreachable"]["blocks"] == 0 and s["class"] != "leak" and s["entry"]["kind"] == "unknown"'
}

degraded() { "$SEEP" status "$1" | grep -q running && "$SEEP" report "$1" -f json | python3 -c '
import json, sys
sys.exit(0 if any(e["kind"] == "degraded" for e in json.load(sys.stdin)["events"]) else 1)'; }

@test "T14 it would cost the target too much: the breakpoints go while the run goes on, totals are judged, stacks are not" {
    needs_uprobes
    kind busy
    shape "$TARGET" >before.txt
    "$SEEP" attach --detach --name busy --duration 10m --interval 100ms -o attribution.cost=20ms \
        -o 'gates=["stack.growth < 1MB/h","rss.total_growth < 1GB","heap.total_growth < 1GB"]' "$TARGET" >/dev/null
    wait_for 120 degraded busy
    shape "$TARGET" >after.txt # seep still watches its totals
    diff before.txt after.txt
    local at
    at=$(samples busy)
    # The allocator's own count takes the place of the calls once there is enough of it beside what the calls told.
    wait_for 180 has_samples busy "$((4 * at + 40))"
    "$SEEP" stop busy
    run "$SEEP" wait busy
    echo "$output"
    kill -0 "$TARGET"
    verdict busy '"attribution.cost" in v["evidence"]["attribution_reason"] and v["stacks"] == []'
    verdict busy '[g["status"] for g in v["gates"]][0] == "inconclusive"'
    verdict busy '{g["status"] for g in v["gates"][1:]} <= {"pass", "inconclusive"} and "own count" in v["evidence"]["heap_source"]'
    verdict busy 'any("It cost the target" in e["text"] for e in v["events"])'
    # Whoever says so may go on: the same program, and a higher price.
    "$SEEP" attach -q --name dear --duration 3s --interval 100ms -o attribution.cost=60s -o "$STACKS" "$TARGET" || true
    verdict dear 'v["evidence"]["attribution"] == "exact"'
}

@test "T15 trees: chains of exec, a daemon that leaves its parent, a static parent, another allocator: followed, or named" {
    needs_uprobes BPF
    local own="$TARGETS/attach_kinds" jemalloc
    FAST=(--duration 8s --interval 100ms)
    sh -c "sleep 2; exec env X=1 nice -n 1 '$own' leak" >chain.out &
    MORE+=("$!")
    watch_pid chain "$!"
    # The main process ends well; what it had left to init leaks.
    cat >daemon.py <<'PY'
import os, sys, time
if os.fork() == 0:
    time.sleep(1)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.execv(sys.argv[1], [sys.argv[1], "leak", sys.argv[2]])
time.sleep(4)
PY
    python3 daemon.py "$own" "$WORK" >daemon.out &
    local plain=("${FAST[@]}")
    # Long enough that what it frees at its end, of before the attach, lies well within the first half.
    FAST=(--duration 14s --interval 100ms -o target.life=tree)
    watch_pid daemon "$!"
    FAST=("${plain[@]}")
    printf '#include <sys/wait.h>\n#include <unistd.h>\nint main(int c, char **v) { if (fork() == 0) execv(v[1], v + 1); wait(0); return c == 0; }\n' >parent.c
    cc -static -s -o parent parent.c
    ./parent "$own" leak "$WORK" >parent.out &
    MORE+=("$!")
    wait_for 20 grep -q ready parent.out
    watch_pid parent "$!"
    jemalloc=$(ldconfig -p | awk '/libjemalloc.so.2/ {print $NF; exit}')
    if [ -n "$jemalloc" ]; then
        sh -c "sleep 2; LD_PRELOAD='$jemalloc' exec '$own' leak" >other.out &
        MORE+=("$!")
        watch_pid other "$!"
    fi
    watched chain
    [ "$status" -eq 1 ]
    [ "$(first_function chain)" = lost_here ]
    watched daemon
    local pid
    for pid in $(pgrep -f "attach_kinds leak $WORK"); do MORE+=("$pid"); done
    [ "$status" -eq 1 ]
    [ "$(first_function daemon)" = lost_here ]
    verdict daemon 'any("its descendants go on" in e["text"] for e in v["events"])'
    verdict daemon 'any("(attach_kinds) is attributed" in e["text"] for e in v["events"])'
    watched parent
    [ "$status" -eq 1 ]
    [ "$(first_function parent)" = lost_here ]
    verdict parent 'any("(parent) is not attributed: its allocator" in e["text"] for e in v["events"])'
    [ -n "$jemalloc" ] || return 0
    watched other
    [ "$status" -eq 3 ]
    verdict other '"executed a program that is not watched" in v["evidence"]["attribution_reason"] and "jemalloc" in v["evidence"]["attribution_reason"]'
}

@test "T16 a deleted program, one behind chroot, one in namespaces of its own, one of musl: the right function each" {
    needs_uprobes BPF
    local k ran=(deleted root space)
    cp "$TARGETS/attach_kinds" deleted_kinds
    ./deleted_kinds leak >deleted.out &
    MORE+=("$!")
    wait_for 20 grep -q ready deleted.out
    rm deleted_kinds
    watch_pid deleted "$!"
    mkdir -p root/lib64 root/lib/x86_64-linux-gnu
    cp -L /lib64/ld-linux-x86-64.so.2 root/lib64
    cp -L /lib/x86_64-linux-gnu/libc.so.6 root/lib/x86_64-linux-gnu
    cp "$TARGETS/attach_kinds" root
    chroot root /attach_kinds leak >root.out &
    MORE+=("$!")
    wait_for 20 grep -q ready root.out
    watch_pid root "$!"
    unshare -fpm --mount-proc "$TARGETS/attach_kinds" leak >space.out &
    wait_for 20 grep -q ready space.out
    MORE+=("$(pgrep -P "$!")")
    watch_pid space "$!"
    if command -v musl-gcc >/dev/null; then
        musl-gcc -g -O1 -o musl_kinds "$SEEP_SOURCE/tests/targets/attach_kinds.c"
        ./musl_kinds leak >musl.out &
        MORE+=("$!")
        wait_for 20 grep -q ready musl.out
        watch_pid musl "$!"
        ran+=(musl)
    fi
    for k in "${ran[@]}"; do
        watched "$k"
        [ "$status" -eq 1 ]
        [ "$(first_function "$k")" = lost_here ]
    done
}

# Breakpoints, descriptors and memory of a process as they are now; its own growing heap is not among them.
leftovers() {
    grep -E '^(TracerPid|SigBlk|SigIgn|SigCgt|Threads|State)' "/proc/$1/status" | sed 's/State:.*[RS] .*/State: up/'
    ls "/proc/$1/fd"
    shape "$1"
    cat /sys/kernel/tracing/uprobe_events /sys/kernel/debug/tracing/uprobe_events 2>/dev/null || true
}

@test "T17 seep is killed at many moments, from its first breath on: the program is each time as it was" {
    needs_uprobes
    kind steady
    leftovers "$TARGET" >before.txt
    local i pid delay times=${ATTACH_KILLS:-12}
    for i in $(seq "$times"); do
        "$SEEP" attach -q --name "k$i" --duration 60s --interval 100ms -o "$STACKS" "$TARGET" >/dev/null 2>&1 &
        pid=$!
        # Spread over the start: finding the allocator, the resolver, the breakpoints, the first samples.
        delay=$(((i - 1) * 1200 / times))
        sleep "0.$(printf %03d $((delay % 1000)))"
        [ "$delay" -lt 1000 ] || sleep 1
        kill -9 "$pid"
        wait "$pid" || true
        leftovers "$TARGET" >after.txt
        diff before.txt after.txt
        kill -0 "$TARGET"
    done
    # And it can be attached to again: nothing of the killed ones holds it.
    run "$SEEP" attach -q --name again "${FAST[@]}" -o "$STACKS" "$TARGET"
    echo "$output"
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    verdict again 'v["evidence"]["attribution"] == "exact"'
}

@test "T18 leaks that are no heap: descriptors, threads, mappings; each is named, and of call stacks only who maps is accused" {
    needs_uprobes BPF
    local k
    FAST=(--duration 12s --interval 100ms -o target.life=service)
    GATES='gates=["rss.growth < 1MB/h","fd.growth < 10/h","threads.growth < 10/h"]'
    for k in why_mmap why_threads why_files; do
        "$TARGETS/$k" >"$k.out" 2>&1 &
        MORE+=("$!")
        watch_pid "$k" "$!"
    done
    watched why_mmap
    [ "$status" -eq 1 ]
    verdict why_mmap '[g["name"] for g in v["gates"] if g["status"] == "fail"] == ["rss.growth"]'
    verdict why_mmap '[p["share"] > 0.8 for p in v["explained"] if p["part"] == "mmap"] == [True]'
    verdict why_mmap '[s["kind"] for s in v["stacks"] if s["slope_bytes_per_hour"] and s["slope_bytes_per_hour"] > 1e6] == ["mmap"]'
    [ "$(first_function why_mmap)" = arena_new ]
    verdict why_mmap '0.8 < v["stacks"][0]["slope_bytes_per_hour"] / v["growth"]["rss"]["slope_bytes_per_hour"] < 1.25'
    watched why_threads
    [ "$status" -eq 1 ]
    # The C library's mappings for them are not the program's: threads have their own gate, and stacks that mapped nothing.
    verdict why_threads 'not [s for s in v["stacks"] if s["kind"] == "mmap" and s["slope_bytes_per_hour"] and s["slope_bytes_per_hour"] > 1e6]'
    verdict why_threads '"threads.growth" in [g["name"] for g in v["gates"] if g["status"] == "fail"]'
    verdict why_threads '[p["share"] > 0.8 for p in v["explained"] if p["part"] == "thread_stacks"] == [True]'
    watched why_files
    [ "$status" -eq 1 ]
    verdict why_files '[g["name"] for g in v["gates"] if g["status"] == "fail"] == ["fd.growth"]'
}
