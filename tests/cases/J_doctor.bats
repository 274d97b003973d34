#!/usr/bin/env bats
# seep doctor: the facts, the planted leak found and the clean twin passed, nothing left behind.
load ../lib/seep.bash
setup() {
    seep_setup
    export TMPDIR=$WORK
}
teardown() { seep_teardown; }

# A sanitizer's allocator must stay first in seep itself, so there the planted leak cannot be attributed.
needs_plain_build() {
    if ldd "$SEEP" | grep -qE 'libasan|libtsan|libmsan'; then skip "seep is built with a sanitizer"; fi
}

fact() { # fact FILE NAME PYTHON-EXPRESSION over the fact as f
    python3 - "$1" "$2" "$3" <<'PY'
import json, sys
d = json.load(open(sys.argv[1]))
found = [f for f in d["facts"] if f["name"] == sys.argv[2]]
sys.exit(0 if len(found) == 1 and eval(sys.argv[3], {"f": found[0], "d": d}) else 1)
PY
}

@test "J01 the planted leak is found, its clean twin passes, exit 0, nothing is left" {
    needs_plain_build
    run "$SEEP" doctor -f json
    echo "$output"
    [ "$status" -eq 0 ]
    echo "$output" >d.json
    fact d.json "planted leak" 'f["status"] == "ok" and "doctor_planted_leak" in f["text"]'
    fact d.json "without the leak" 'f["status"] == "ok" and f["text"] == "PASS"'
    fact d.json preloading 'f["status"] == "ok" and "exact" in f["text"]'
    fact d.json jemalloc 'f["status"] == "ok" and "libjemalloc" in f["text"]'
    ! compgen -G "$WORK/seep-doctor.*"
    [ ! -e "$SEEP_RESULTS" ]
}

@test "J02 quick looks only: every fact has a word, and a way out where it is not ok" {
    run "$SEEP" doctor --quick -f json
    [ "$status" -eq 0 ]
    echo "$output" >d.json
    fact d.json kernel 'f["status"] == "ok" and f["needed"] == "yes"'
    fact d.json "control groups" 'all((f["way_out"] is None) == (f["status"] == "ok") for f in d["facts"])'
    # Root may read any process; others where Yama lets them.
    if [ "$(id -u)" = 0 ] || [ "$(cat /proc/sys/kernel/yama/ptrace_scope 2>/dev/null || echo 0)" = 0 ]; then
        fact d.json "memory of strangers" 'f["status"] == "ok"'
    else
        fact d.json "memory of strangers" 'f["status"] == "limited" and "no child of ours" in f["text"]'
    fi
    fact d.json pidfd 'd["schema"] == "seep.doctor/1" and len(d["facts"]) >= 15'
    ! fact d.json "planted leak" True
    run "$SEEP" doctor --quick
    [ "$status" -eq 0 ]
    [[ "$output" == *"ok       kernel"* ]]
}

@test "J03 a results directory that cannot be used: exit 3, named, with the way out" {
    : >file
    run "$SEEP" doctor --quick --results file/inside
    [ "$status" -eq 3 ]
    [[ "$output" == *"missing  results directory"*"file/inside"* ]]
    [[ "$output" == *"--results"* ]]
}

@test "J04 a place that is left incomplete: exit 3, the part is named" {
    mkdir -p tree/bin
    cp "$SEEP" tree/bin/seep
    run tree/bin/seep doctor --quick
    [ "$status" -eq 3 ]
    [[ "$output" == *seep-keeper* ]]
    run tree/bin/seep doctor
    [ "$status" -eq 3 ]
    [[ "$output" == *"missing  planted leak"* ]]
    ! compgen -G "$WORK/seep-doctor.*"
}

@test "J05 a stripped seep still finds its planted leak" {
    needs_plain_build
    mkdir -p tree/bin
    cp "$SEEP" "$SEEP_BUILD/bin/seep-keeper" tree/bin/
    cp -r "$SEEP_BUILD/lib" tree/lib
    cp -rL "$SEEP_BUILD/share" tree/share
    strip tree/bin/seep
    run tree/bin/seep doctor
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"found: FAIL, doctor_planted_leak first"* ]]
}

planted_runs_began() { compgen -G "$WORK/seep-doctor.*/leak/run.db" >/dev/null; }

@test "J06 ended while the leak is planted: 143, nothing is left" {
    "$SEEP" doctor >out.txt &
    local doctor=$! code=0
    wait_for 30 planted_runs_began
    kill -TERM "$doctor"
    wait "$doctor" || code=$?
    [ "$code" -eq 143 ]
    ! compgen -G "$WORK/seep-doctor.*"
}

@test "J07 words that are too much, and the hidden verb's own refusals: exit 2" {
    run "$SEEP" doctor now
    [ "$status" -eq 2 ]
    run "$SEEP" doctor-leak
    [ "$status" -eq 2 ]
    run "$SEEP" doctor-leak 1e99
    [ "$status" -eq 2 ]
}
