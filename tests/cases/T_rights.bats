#!/usr/bin/env bats
# seep attach where something is refused: rights that seep lacks, and programs that may not be looked into or are of another kind.
# Each time there are totals with what is missing named, or exit 2 and one sentence; never a heap that is said not to grow.
load ../lib/seep.bash
load ../lib/attach.bash

FAST=(--duration 8s --interval 100ms)
GATES='gates=["stack.growth < 1MB/h","heap.growth < 1MB/h","rss.total_growth < 1GB"]'
without() { # without CAPABILITIES: as setpriv names them, with a minus each
    AS=(setpriv "--bounding-set=$1" "--inh-caps=$1")
    "${AS[@]}" true 2>/dev/null || skip "setpriv cannot drop $1 here"
}
told_by_doctor() { # told_by_doctor STATUS FACT WORDS: by a doctor with the same rights
    "${AS[@]}" "$SEEP" doctor --quick -f json >doctor.json || true
    python3 - "$@" <<'PY'
import json, sys
fact = [f for f in json.load(open("doctor.json"))["facts"] if f["name"] == sys.argv[2]][0]
print(fact)
sys.exit(0 if fact["status"] == sys.argv[1] and sys.argv[3] in str(fact) else 1)
PY
}
statuses() { verdict "$1" "[g['status'] for g in v['gates']] == $2"; }

@test "T21 without CAP_SYS_ADMIN, CAP_PERFMON or CAP_BPF: stacks where the kernel gives them, else the heap by its own count" {
    needs_uprobes BPF
    without -sys_admin
    told_by_doctor ok uprobes BPF
    watch admin leak
    without -sys_admin,-bpf
    told_by_doctor missing uprobes CAP_BPF
    watch bpf leak
    without -sys_admin,-perfmon
    told_by_doctor missing uprobes CAP_PERFMON
    watch perfmon leak
    watched admin
    [ "$status" -eq 1 ]
    [ "$(first_function admin)" = lost_here ]
    local k
    for k in bpf perfmon; do
        watched "$k"
        [ "$status" -eq 1 ]
        statuses "$k" '["inconclusive", "fail", "pass"]'
        verdict "$k" '"uprobes are refused" in v["evidence"]["attribution_reason"] and "own count" in v["evidence"]["heap_source"]'
    done
}

@test "T22 without CAP_SYS_PTRACE: a program with more rights is refused in a sentence, and so is one that is closed to its own user" {
    [ "$(id -u)" = 0 ] || skip "rights can only be dropped by who has them"
    without -sys_ptrace
    told_by_doctor ok "memory of strangers" CAP_SYS_PTRACE
    kind leak
    run "${AS[@]}" "$SEEP" attach -q --duration 2s "$TARGET"
    echo "$output"
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ "$output" == *"may not be looked into (Permission denied)"*CAP_SYS_PTRACE* ]]
    kill -9 "$TARGET"
    wait "$TARGET" || true
    seep_for_all_users
    chown 12345:12345 "$WORK"
    AS=(setpriv --reuid=12345 --regid=12345 --clear-groups env "HOME=$WORK")
    "${AS[@]}" "$TARGETS/attach_kinds" closed >out.txt &
    TARGET=$!
    wait_for 20 is_ready
    run "${AS[@]}" "$SEEP" attach -q --duration 2s "$TARGET"
    echo "$output"
    [ "$status" -eq 2 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ "$output" == *"may not be looked into"* || "$output" == *"belongs to another user"* ]]
    [ ! -e "$SEEP_RESULTS" ]
    kill -0 "$TARGET"
    # Root may, and its stacks are right all the same.
    AS=()
    needs_uprobes BPF
    watch_pid closed "$TARGET"
    watched closed
    [ "$status" -eq 1 ]
    [ "$(first_function closed)" = lost_here ]
}

@test "T23 memory that may not be read, as by Yama: stacks without the scan; without uprobes totals alone, and the heap unknown" {
    [ "$(id -u)" = 0 ] || skip "needs root to have uprobes and to drop them"
    AS=(env "LD_PRELOAD=$TARGETS/deny_memory")
    told_by_doctor limited "memory of strangers" "neither the heap"
    local can_watch=
    ! told_by_doctor ok uprobes BPF || can_watch=yes
    [ -z "$can_watch" ] || watch stacks leak
    AS=(setpriv --bounding-set=-sys_admin,-perfmon --inh-caps=-sys_admin,-perfmon "${AS[@]}")
    "${AS[@]}" true 2>/dev/null || skip "setpriv cannot drop rights here"
    watch totals leak
    watched totals
    [ "$status" -eq 3 ]
    statuses totals '["inconclusive", "inconclusive", "pass"]'
    verdict totals 'any("stays unknown" in e["text"] and "cannot be" in e["text"] for e in v["events"])'
    [ -n "$can_watch" ] || return 0
    watched stacks
    [ "$status" -eq 1 ]
    [ "$(first_function stacks)" = lost_here ]
    verdict stacks '[s["unreachable"] for s in v["stacks"]][:1] == [None]'
}

@test "T24 a program that filters its system calls lives, is watched and its leak found" {
    needs_uprobes
    watch sealed sealed
    watched sealed
    [ "$status" -eq 1 ]
    kill -0 "${MORE[-1]}"
    grep -q '^Seccomp:.*2' "/proc/${MORE[-1]}/status"
    [ "$(first_function sealed)" = lost_here ]
}

# Without any library, so that it takes no packages: brk grows by a page every 5 ms.
@test "T25 a 32-bit program: totals, and neither its heap nor its stacks are said not to grow" {
    cat >narrow.c <<'EOF'
static long call(long n, long a, long b, long c)
{
    long r;
    __asm__ volatile("int $0x80" : "=a"(r) : "a"(n), "b"(a), "c"(b), "d"(c) : "memory");
    return r;
}
void _start(void)
{
    long nap[2] = {0, 5000000}, top = call(45, 0, 0, 0);
    call(4, 1, (long)"ready\n", 6);
    for (;; top += 4096) {
        call(45, top + 4096, 0, 0);
        *(volatile char *)top = 1;
        call(162, (long)nap, 0, 0);
    }
}
EOF
    gcc -m32 -O1 -nostdlib -static -ffreestanding -fno-stack-protector -fno-pic -no-pie -o narrow narrow.c || skip "no 32-bit programs can be made here"
    ./narrow >narrow.out &
    MORE+=("$!")
    wait_for 20 grep -q ready narrow.out || skip "this kernel runs no 32-bit programs"
    watch_pid narrow "${MORE[-1]}"
    watched narrow
    [ "$status" -eq 3 ]
    statuses narrow '["inconclusive", "inconclusive", "pass"]'
    verdict narrow '"32-bit x86" in v["evidence"]["attribution_reason"]'
    verdict narrow 'v["growth"]["rss"]["slope_bytes_per_hour"] > 1e8'
}

@test "T26 an allocator of the program's own, which nobody can ask: its heap is never said not to grow, with uprobes or without" {
    cat >own.c <<'EOF'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void)
{
    printf("ready\n");
    fflush(stdout);
    for (;; usleep(2000))
        memset(sbrk(8192), 1, 8192);
}
EOF
    cc -O1 -o own own.c
    local k
    for k in counted off probed; do
        [ "$k" != probed ] || [ "$(id -u)" = 0 ] || continue
        ./own >"$k.out" &
        MORE+=("$!")
        wait_for 20 grep -q ready "$k.out"
        AS=()
        [ "$k" != counted ] || [ "$(id -u)" != 0 ] || without -sys_admin,-perfmon
        FAST=(--duration 6s --interval 100ms)
        [ "$k" != off ] || FAST+=(-o attribution.mode=off)
        watch_pid "$k" "${MORE[-1]}"
    done
    for k in counted off probed; do
        [ -n "${WATCH[$k]}" ] || continue
        watched "$k"
        [ "$status" -eq 3 ]
        statuses "$k" '["inconclusive", "inconclusive", "pass"]'
        verdict "$k" '"allocator of its own" in v["evidence"]["attribution_reason"] and "heap" not in {n for n, g in v["growth"].items() if g["verdict"] == "pass"}'
    done
}

@test "T27 programs with other allocators: their leak is found, their figures stay unknown, by name" {
    needs_uprobes BPF
    local k path ran=()
    for k in jemalloc tcmalloc mimalloc; do
        path=$(ldconfig -p | awk -v name="lib$k" 'index($1, name ".so.") == 1 || index($1, name "_minimal.so.") == 1 {print $NF; exit}')
        [ -n "$path" ] || continue
        LD_PRELOAD=$path "$TARGETS/attach_kinds" leak >"$k.out" &
        MORE+=("$!")
        wait_for 20 grep -q ready "$k.out"
        watch_pid "$k" "${MORE[-1]}"
        ran+=("$k")
    done
    [ "${#ran[@]}" -gt 0 ] || skip "none of them is installed"
    for k in "${ran[@]}"; do
        watched "$k"
        [ "$status" -eq 1 ]
        [ "$(first_function "$k")" = lost_here ]
        verdict "$k" "any('stays unknown' in e['text'] and '$k ' in e['text'] and 'in a layout of each build' in e['text'] for e in v['events'])"
        verdict "$k" 'not any(s["kind"] == "mmap" and s["slope_bytes_per_hour"] and s["slope_bytes_per_hour"] > 1e6 for s in v["stacks"])'
        "$SEEP" report "$k" -f csv >"$k.csv"
        python3 - "$k.csv" <<'PY'
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
told = [c for c in rows[0] if c.startswith("alloc.") and any(r[c] for r in rows)]
sys.exit(f"made up: {told}" if told else 0)
PY
    done
}
