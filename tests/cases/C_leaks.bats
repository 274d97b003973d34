#!/usr/bin/env bats
# Leaking and fixed builds of the same programs: FAIL with the right function first, and PASS. Short runs with a large leak here; the
# full matrix (60 s, 2x to 100x, ten times) is tests/bench/leak_matrix.
load ../lib/seep.bash

# All runs go side by side; each test looks at its own.
setup_file() {
    seep_setup
    export SEEP SEEP_SOURCE SEEP_BUILD TARGETS WORK
    soak leak-c leak_c 60000
    soak fixed-c leak_c 0
    soak leak-cxx leak_cxx 60000
    soak fixed-cxx leak_cxx 0
    soak leak-stripped leak_stripped 60000
    soak fixed-stripped leak_stripped 0
    go sampled --duration 20s -o attribution.mode=sampled -o attribution.mean=16KiB \
        -o 'gates=["heap.growth < 10MB/h"]' -- "$TARGETS/leak_c" 300000
    allowed within 1GB/h
    allowed over 2MB/h
    wait
}

teardown_file() { seep_teardown; }

go() { # go NAME OPTIONS...: a run in the background; its output and exit status stay beside it
    local name=$1
    shift
    { decide "$name" "$@" >"$WORK/$name.out" 2>&1 && echo 0 || echo $?; } >"$WORK/$name.status" 3>&- &
}

soak() { # soak NAME PROGRAM RATE
    go "$1" --duration 30s -o 'gates=["stack.growth < 50MB/h", "heap.growth < 50MB/h"]' -- "$TARGETS/$2" "$3"
}

# allowed NAME BUDGET: leak_c loses 60 kB/s, 216 MB/h, and is on the allow list.
allowed() {
    go "$1" --duration 20s -o run.early_stop=false -o 'gates=["stack.growth < 1MB/h"]' \
        -o "allow=[{pattern: 'audit_record_new < main', budget: $2, reason: known growth of the audit log, expires: 2099-12-31}]" \
        -- "$TARGETS/leak_c" 60000
}

ended() { # ended NAME STATUS
    output=$(cat "$WORK/$1.out")
    echo "$output"
    [ "$(cat "$WORK/$1.status")" = "$2" ]
}

first_function() { # the innermost frame of the first stack that is no library's
    verdict "$1" '[f["function"] for f in v["stacks"][0]["frames"] if f["function"]][0]'
}

@test "C01 C: leaking fails, the leaking function first with file and line" {
    ended leak-c 1
    [ "$(first_function leak-c)" = audit_record_new ]
    verdict leak-c '[f for f in v["stacks"][0]["frames"]][0]["file"].endswith("leak_c.c")'
    verdict leak-c '[f for f in v["stacks"][0]["frames"]][0]["line"] > 0'
    [[ "$output" == *audit_record_new* ]]
}

@test "C02 C: fixed passes" {
    ended fixed-c 0
}

@test "C03 C++: leaking fails, names demangled" {
    ended leak-cxx 1
    verdict leak-cxx 'any("remember" in (f["function"] or "") for f in v["stacks"][0]["frames"])'
    verdict leak-cxx 'all(not (f["function"] or "").startswith("_Z") for s in v["stacks"] for f in s["frames"])'
}

@test "C04 C++: fixed passes" {
    ended fixed-cxx 0
}

@test "C05 stripped, no frame pointers, separate debug file: leaking fails with function and line" {
    ended leak-stripped 1
    [ "$(first_function leak-stripped)" = audit_record_new ]
    verdict leak-stripped '[f for f in v["stacks"][0]["frames"]][0]["line"] > 0'
}

@test "C06 stripped: fixed passes" {
    ended fixed-stripped 0
}

@test "C07 sampled mode finds a large leak too" {
    ended sampled 1
    [ "$(first_function sampled)" = audit_record_new ]
}

@test "C08 allow list: within its budget a growing stack passes and is told, beyond it fails" {
    ended within 0
    verdict within 'v["allow"][0]["status"] == "within" and v["allow"][0]["growing"] >= 1'
    verdict within 'v["stacks"][0]["allowed"] == "known growth of the audit log, until 2099-12-31"'
    [[ "$output" == *"known growth of the audit log"* ]]
    valid_verdict within
    ended over 1
    verdict over 'v["allow"][0]["status"] == "over"'
    [[ "$output" == *"over its budget"* ]]
}
