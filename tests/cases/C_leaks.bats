#!/usr/bin/env bats
# Leaking and fixed builds of the same programs: FAIL with the right function first, and PASS. Short runs with a large leak here; the
# full matrix (60 s, 2x to 100x, ten times) is tests/bench/leak_matrix.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

soak() { # soak NAME PROGRAM RATE
    run "$SEEP" run -q --name "$1" --duration 30s -o 'gates=["stack.growth < 10MB/h", "heap.growth < 10MB/h"]' -- "$TARGETS/$2" "$3"
    echo "$output"
}

first_function() { # the innermost frame of the first stack that is no library's
    verdict "$1" '[f["function"] for f in v["stacks"][0]["frames"] if f["function"]][0]'
}

@test "C01 C: leaking fails, the leaking function first with file and line" {
    soak leak leak_c 60000
    [ "$status" -eq 1 ]
    [ "$(first_function leak)" = audit_record_new ]
    verdict leak '[f for f in v["stacks"][0]["frames"]][0]["file"].endswith("leak_c.c")'
    verdict leak '[f for f in v["stacks"][0]["frames"]][0]["line"] > 0'
    [[ "$output" == *audit_record_new* ]]
}

@test "C02 C: fixed passes" {
    soak fixed leak_c 0
    [ "$status" -eq 0 ]
}

@test "C03 C++: leaking fails, names demangled" {
    soak leak leak_cxx 60000
    [ "$status" -eq 1 ]
    verdict leak 'any("remember" in (f["function"] or "") for f in v["stacks"][0]["frames"])'
    verdict leak 'all(not (f["function"] or "").startswith("_Z") for s in v["stacks"] for f in s["frames"])'
}

@test "C04 C++: fixed passes" {
    soak fixed leak_cxx 0
    [ "$status" -eq 0 ]
}

@test "C05 stripped, no frame pointers, separate debug file: leaking fails with function and line" {
    soak leak leak_stripped 60000
    [ "$status" -eq 1 ]
    [ "$(first_function leak)" = audit_record_new ]
    verdict leak '[f for f in v["stacks"][0]["frames"]][0]["line"] > 0'
}

@test "C06 stripped: fixed passes" {
    soak fixed leak_stripped 0
    [ "$status" -eq 0 ]
}

@test "C07 sampled mode finds a large leak too" {
    run "$SEEP" run -q --name sampled --duration 20s -o attribution.mode=sampled -o attribution.mean=16KiB \
        -o 'gates=["heap.growth < 10MB/h"]' -- "$TARGETS/leak_c" 300000
    [ "$status" -eq 1 ]
    [ "$(first_function sampled)" = audit_record_new ]
}

# allowed NAME BUDGET: leak_c loses 60 kB/s, 216 MB/h, and is on the allow list.
allowed() {
    run "$SEEP" run -q --name "$1" --duration 20s -o run.early_stop=false -o 'gates=["stack.growth < 1MB/h"]' \
        -o "allow=[{pattern: 'audit_record_new < main', budget: $2, reason: known growth of the audit log, expires: 2099-12-31}]" \
        -- "$TARGETS/leak_c" 60000
    echo "$output"
}

@test "C08 allow list: within its budget a growing stack passes and is told, beyond it fails" {
    allowed within 1GB/h
    [ "$status" -eq 0 ]
    verdict within 'v["allow"][0]["status"] == "within" and v["allow"][0]["growing"] >= 1'
    verdict within 'v["stacks"][0]["allowed"] == "known growth of the audit log, until 2099-12-31"'
    [[ "$output" == *"known growth of the audit log"* ]]
    valid_verdict within
    allowed over 2MB/h
    [ "$status" -eq 1 ]
    verdict over 'v["allow"][0]["status"] == "over"'
    [[ "$output" == *"over its budget"* ]]
}
