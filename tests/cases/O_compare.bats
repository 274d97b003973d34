#!/usr/bin/env bats
# Runs compared: a build that leaks against one that does not, the same build twice, and many runs in a row.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

soak() { # soak NAME DEMO-ARGUMENTS...: in the background
    local name=$1 port
    port=$(free_port)
    shift
    "$SEEP" run -q -p demo --name "$name" --duration 25s -o run.drain=2s -o "vars.base_url=http://127.0.0.1:$port" -- \
        "$TARGETS/demo_service" --port "$port" --session-ttl 3 "$@" >"$name.out" 2>&1 &
}

valid() { # valid SCHEMA FILE
    python3 -c 'import json, sys, jsonschema; jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))' \
        "$SEEP_SOURCE/docs/schema/$1" "$2"
}

@test "O01 a build that leaks is a regression with its stack named; the same build twice is none" {
    soak base
    soak again
    soak leak --leak login --leak-bytes 4096 # a thousand times what is allowed: no stall of the machine hides it
    wait
    run "$SEEP" compare base leak
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *"new      critical"*audit_record_new* ]]
    [[ "$output" == *"Look at audit_record_new"* ]]

    run "$SEEP" compare base again
    echo "$output"
    [ "$status" -ne 1 ]
    [[ "$output" != *regression* ]]

    "$SEEP" compare base leak -f json -O compare.json || [ $? -eq 1 ]
    valid seep.compare.1.json compare.json
    python3 - <<'PY'
import json
c = json.load(open("compare.json"))
by = {f["name"]: f for f in c["figures"]}
assert c["verdict"] == "fail" and c["exit_code"] == 1
assert by["heap.growth"]["change"] == "regression" and by["heap.growth"]["ci90"][0] > 0, by["heap.growth"]
assert by["http.errors"]["change"] in ("same", "unclear"), by["http.errors"] # a stall may cost both some requests
assert by["http.rate"]["better"] == "more"
PY
    run "$SEEP" compare base leak -f md
    [ "$status" -eq 1 ]
    [[ "$output" == "## Regression: "* && "$output" == *"| heap.growth |"* ]]

    run "$SEEP" compare leak again # the way back is an improvement
    [ "$status" -ne 1 ]
    [[ "$output" == *gone*audit_record_new* ]]
}

@test "O02 over many runs a change for good is found where it began, and one kind of program at a time" {
    local i mb
    running() { [[ "$("$SEEP" status "$1" -f json 2>/dev/null)" == *'"state": "running"'* ]]; }
    for i in $(seq -w 12); do
        mb=20
        [ "$i" -gt 07 ] && mb=60
        "$SEEP" run -q --name "night-$i" --duration 8s -o run.interval=250ms -- \
            /usr/bin/python3 -c "import time; x = b'x' * ($mb << 20); time.sleep(60)" >/dev/null 2>&1 &
        wait_for 20 running "night-$i" # in the order of their names
        [ "$i" != 06 ] || wait
    done
    "$SEEP" run -q --name other --duration 2s -- sleep 30 >/dev/null 2>&1 &
    wait
    run "$SEEP" compare --history 20 night-12
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *"rss "*"since night-08"* ]]
    "$SEEP" compare --history 20 night-12 -f json -O history.json || [ $? -eq 1 ]
    valid seep.history.1.json history.json
    python3 -c 'import json; h = json.load(open("history.json")); assert len(h["runs"]) == 12, h["runs"]'
    run "$SEEP" compare --history 20 other
    [ "$status" -eq 3 ]
}

@test "O03 what cannot be compared is said" {
    run "$SEEP" compare one
    [ "$status" -eq 2 ]
    run "$SEEP" compare no such
    [ "$status" -eq 2 ]
    [[ "$output" == *"There is no run 'such'"* ]]
    run "$SEEP" compare a b --threshold 10
    [ "$status" -eq 2 ]
    "$SEEP" run -q --name a --duration 1s -- sleep 10 || true
    "$SEEP" run -q --name b --duration 1s -- sleep 10 || true
    run "$SEEP" compare a b
    echo "$output"
    [ "$status" -eq 3 ] # the growths that gates ask for are known of neither
    [[ "$output" == *"cannot tell whether heap.growth is worse"* ]]
    run "$SEEP" run -q --name last --duration 1s -- sleep 10
    [ "$status" -eq 2 ]
}

@test "O04 gates against a baseline run: kept in the run, so that the verdict stands without it" {
    local gates='gates=[{gate: "cpu < 10%", vs: baseline, floor: "4%"}]'
    run "$SEEP" run -q --name base --duration 4s -o "$gates" -- sleep 20
    [ "$status" -eq 3 ]
    [[ "$output" == *"there is no baseline"* ]]
    run decide calm --baseline base --duration 4s -o "$gates" -- sleep 20
    [ "$status" -eq 0 ]
    run decide busy --baseline base --duration 4s -o "$gates" -- sh -c 'while :; do :; done'
    echo "$output"
    [ "$status" -eq 1 ]
    rm -r "$SEEP_RESULTS/base"
    "$SEEP" report busy | grep -q 'cpu FAIL'
    run "$SEEP" run -q --baseline base --duration 4s -o "$gates" -- sleep 20
    [ "$status" -eq 2 ]
}

@test "O05 a set of requirements grades the run, area by area, and at_least makes it decide" {
    run decide graded --duration 12s --interval 120ms -o 'gates=[fd.growth < 1/h]' \
        -o 'requirements.name=ours' -o 'requirements.cpu=[cpu < 50%]' -o 'requirements.memory=[rss.total_growth < 10MB]' \
        -- sleep 60
    echo "$output"
    [ "$status" -eq 0 ]
    verdict graded 'v["score"]["grade"] == "excellent" and v["score"]["points"] >= 90 and v["score"]["set"] == "ours"'
    valid_verdict graded
    run decide poor --duration 4s -o 'gates=[cpu < 900%]' -o 'requirements.at_least=good' \
        -o 'requirements.cpu=[cpu < 1%]' -- sh -c 'while :; do :; done'
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *"POOR"* && "$output" == *"demanded is good"* ]]
    run "$SEEP" run -q --name ungraded --duration 4s -p requirements-strict -o 'gates=[cpu < 900%]' -- sleep 20
    echo "$output"
    [ "$status" -eq 3 ] # no load: latency, throughput, errors and availability cannot be told
    valid_verdict ungraded
    run "$SEEP" run -q --duration 4s -o 'requirements.cpu=[cpu < 50]' -- sleep 20
    [ "$status" -eq 2 ]
}

@test "O06 every figure of a stored verdict follows from the stored samples, and a changed one is seen" {
    decide kept --duration 12s -- "$TARGETS/leak_c" 20000 || [ $? -eq 1 ]
    run "$SEEP" report kept --rejudge
    echo "$output"
    [ "$status" -eq 0 ]
    python3 - "$SEEP_RESULTS/kept/run.db" <<'PY'
import sqlite3, sys
db = sqlite3.connect(sys.argv[1])
table, column = next((t, c[1]) for (t,) in db.execute("select name from sqlite_master where type = 'table'").fetchall()
                     for c in db.execute(f"pragma table_info({t})") if c[1] == "verdict" or c[1].endswith("json"))
row = db.execute(f"select {column} from {table} where {column} like '%seep.verdict%'").fetchone()[0]
db.execute(f"update {table} set {column} = ? where {column} = ?", (row.replace('"verdict": "fail"', '"verdict": "pass"'), row))
db.commit()
PY
    run "$SEEP" report kept --rejudge
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *'verdict: "pass" -> "fail"'* ]]
}

@test "O07 another build of the same program: its stacks are the same ones" {
    local build run
    for build in leak_c leak_c_next; do
        decide "$build" --duration 10s -o run.early_stop=false -o 'gates=["stack.growth < 30MB/h"]' -- \
            "$TARGETS/$build" 300000 >/dev/null 2>&1 &
    done
    wait
    for run in leak_c leak_c_next; do # both have it: the comparison is of something
        verdict "$run" 'v["stacks"][0]["grows"] == "yes" and v["stacks"][0]["frames"][0]["function"] == "audit_record_new"'
    done
    run "$SEEP" compare leak_c leak_c_next
    echo "$output"
    [[ "$output" != *"new "*audit_record_new* && "$output" != *gone*audit_record_new* ]]
    "$SEEP" compare leak_c leak_c_next -f json -O next.json || [ $? -ne 2 ]
    python3 - <<'PY'
import json
c = json.load(open("next.json"))
print(json.dumps(c["stacks"], indent=1)[:2000])
assert not [s for s in c["stacks"] if s["change"] in ("new", "gone", "only_a", "only_b")], c["stacks"]
PY
}
