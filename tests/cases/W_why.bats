#!/usr/bin/env bats
# Why it grows: each target plants one kind of growth, and its name is demanded. All runs go side by side, once, before the first test.
load ../lib/seep.bash

grow() { # grow NAME PROGRAM [ARG...]
    local name=$1 program=$2
    shift 2
    "$SEEP" run -q --name "$name" --duration 16s -o run.early_stop=false -o run.interval=250ms \
        -o 'gates=["stack.growth < 1MB/h", "fd.growth < 1/h", "rss.growth < 1MB/h"]' -- "$TARGETS/$program" "$@" >"$WORK/$name.out" 2>&1 &
}

# A supervisor that came later may not open the target's memory where Yama says so; here nobody lets it.
taken_up() {
    "$SEEP" run --detach --name taken --duration 14s -o target.life=service -o run.early_stop=false -o run.interval=250ms \
        -o 'gates=["stack.growth < 1MB/h"]' -- "$TARGETS/why_lost" >"$WORK/taken.out" 2>&1
    has_begun() { "$SEEP" status taken | grep -q ' [1-9][0-9]* samples'; }
    wait_for 10 has_begun
    local pid
    pid=$("$SEEP" status taken | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1)
    kill -9 "$pid"
    LD_PRELOAD=$TARGETS/deny_memory "$SEEP" resume -q taken >>"$WORK/taken.out" 2>&1 || true
}

setup_file() {
    seep_setup
    export WORK SEEP SEEP_SOURCE SEEP_BUILD TARGETS
    grow lost why_lost
    grow stale why_stale
    grow crowd why_crowd
    grow untouched why_untouched
    grow cycle why_cycle
    grow list why_list
    grow table why_table
    grow cache why_cache 2500
    grow fragments why_fragments
    grow mmap why_mmap
    grow threads why_threads
    grow files why_files
    grow shared why_shared
    taken_up & # its own supervisor is killed
    wait
}

teardown_file() { seep_teardown; }

setup() { cat "$WORK"/*.out; } # shown when a test fails

first() { # first RUN PYTHON-EXPRESSION over the worst stack as s
    verdict "$1" "(lambda s: $2)(v['stacks'][0])"
}

share() { # share RUN PART CONDITION on x, its share of the program's own resident growth (the probe's region is not its doing)
    verdict "$1" "(lambda x: $3)({e['part']: e['share'] for e in v['explained']}['$2'] or 0)"
    verdict "$1" "(lambda p: abs(sum(x or 0 for k, x in p.items() if k != 'probe') - 1) < 1e-6 and p['probe'] is None)({e['part']: e['share'] for e in v['explained']})"
}

part() { share "$1" "$2" 'x > .8'; } # most of it lies there

# At least 95 % is explained, and surely so.
explained() {
    share "$1" unexplained 'abs(x) < .05'
    verdict "$1" "(lambda p: all(abs(e) < .1 * sum(x['slope_bytes_per_hour'] or 0 for k, x in p.items() if k != 'probe') for e in p['unexplained']['ci90']))({e['part']: e for e in v['explained']})"
}

@test "W01 a lost pointer: leak, and the blocks are proved unreachable" {
    first lost 's["class"] == "leak" and s["frames"][0]["function"] == "record_new"'
    first lost 's["unreachable"]["scans"] >= 2 and s["unreachable"]["agreed"] == s["unreachable"]["scans"]'
    first lost 's["unreachable"]["checked"] - 1 <= s["unreachable"]["blocks"] > 50' # that of a step in progress is named
    grep -q 'checked blocks have no path to them from any root, in' "$WORK/lost.out"
    verdict lost '"queued signals" in v["not_covered"] and len(v["not_covered"]) >= 8'
    tr -s ' \n' ' ' <"$WORK/lost.out" | grep -q 'They do not look into .*queued signals, or registers of threads that are awake'
    valid_verdict lost
}

@test "W02 lost cycles: leak, although each block is pointed at" {
    first cycle 's["class"] == "leak" and s["frames"][0]["function"] == "half_new"'
    first cycle 's["unreachable"]["checked"] - 1 <= s["unreachable"]["blocks"] > 50' # a word of the stack may still name one
}

@test "W03 a growing list: container, reachable, entered from its variable" {
    first list 's["class"] == "container" and s["frames"][0]["function"] == "entry_new"'
    verdict list 'v["not_covered"] == []'
    first list 's["unreachable"]["blocks"] == 0 and s["unreachable"]["checked"] > 50'
    first list 's["holder"]["kind"] == "own" and s["entry"]["kind"] == "data" and s["entry"]["name"] == "history_head"'
    valid_verdict list
}

@test "W04 a growing table: container, held by the blocks of the table" {
    verdict table 'any(s["class"] == "container" and s["frames"][0]["function"] == "value_new" and s["holder"]["kind"] == "stack" and s["holder"]["name"] == "table_grow" for s in v["stacks"])'
    verdict table 'all(s["unreachable"] is None or s["unreachable"]["blocks"] == 0 for s in v["stacks"])'
}

@test "W05 a cache that fills: cache" {
    verdict cache 'any(s["class"] == "cache" and s["frames"][0]["function"] == "cached_new" for s in v["stacks"])'
    verdict cache 'all(s["class"] != "leak" for s in v["stacks"] if s["grows"] == "yes")'
}

@test "W06 fragmentation: resident memory grows, what is live does not" {
    part fragments fragmentation
    explained fragments
}

@test "W07 mappings never unmapped: mmap, with their stack" {
    part mmap mmap
    explained mmap
    verdict mmap 'any(s["kind"] == "mmap" and s["grows"] == "yes" and s["class"] == "unknown" and any(f["function"] == "arena_new" for f in s["frames"]) for s in v["stacks"])'
}

@test "W08 threads that never end: thread stacks" {
    part threads thread_stacks
    grep -Eq 'ungated +.*threads \+[0-9]' "$WORK/threads.out" # no gate asked for threads, but they are not hidden
    explained threads
}

@test "W09 descriptors never closed: the gate on descriptors fails, by name" {
    verdict files '[g["status"] for g in v["gates"] if g["name"] == "fd.growth"] == ["fail"]'
    verdict files 'v["growth"]["fd"]["verdict"] == "fail"'
}

@test "W10 shared memory that fills: shmem" {
    part shared shmem
    explained shared
}

@test "W11 what grows is explained to 95 %" {
    explained lost
    explained cycle
    explained list
}

@test "W12 a run that was taken up again looks into the target's memory through the keeper" {
    verdict taken 'len(v["evidence"]["gaps"]) >= 1'
    first taken 's["unreachable"]["scans"] >= 1 and s["unreachable"]["agreed"] == s["unreachable"]["scans"]'
    first taken 's["unreachable"]["checked"] - 1 <= s["unreachable"]["blocks"] > 20'
}

@test "W13 a buffer lost on an error path, held by chance through old values in other blocks: a leak" {
    first stale 's["class"] == "leak" and s["frames"][0]["function"] == "parse"'
    first stale 's["unreachable"]["blocks"] > 50 and s["unreachable"]["agreed"] >= 3'
}

@test "W14 beside a crowd of buffers nobody writes to, a leak is a leak and a list a list, entered from its variable" {
    verdict crowd '[s["class"] for s in v["stacks"] if s["frames"][0]["function"] == "draft_new"] == ["leak"]'
    verdict crowd '[(s["class"], s["holder"]["kind"], s["entry"]["name"]) for s in v["stacks"] if s["frames"][0]["function"] == "item_new"] == [("container", "own", "items_head")]'
}

@test "W15 what is allocated and not written to is live heap, and no part of the resident growth" {
    verdict untouched 'v["growth"]["heap"]["slope_bytes_per_hour"] > 100e9'
    verdict untouched 'next(e["untouched_bytes_per_hour"] for e in v["explained"] if e["part"] == "heap") > 100e9'
    verdict untouched 'all(abs(e["slope_bytes_per_hour"]) < 5e9 for e in v["explained"] if e["part"] != "probe")'
    share untouched heap 'x > .6'
    share untouched unexplained 'abs(x) < .2'
    tr -s ' \n' ' ' <"$WORK/untouched.out" | grep -q 'GB/h more is allocated and never written to'
    valid_verdict untouched
}
