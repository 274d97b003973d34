#!/usr/bin/env bats
# What a CI system needs: every format of a run, what changed since another, a command at the end, and pruning.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

reads() { # reads FORMAT EXPRESSION FILE: by somebody else's reader; its absence is no failure
    local code=0
    /usr/bin/python3 "$SEEP_SOURCE/tests/lib/read_report.py" "$1" -e "$2" "$3" || code=$?
    [ "$code" = 0 ] || [ "$code" = 77 ]
}

short() { # short NAME OPTIONS...: two seconds of a program that does nothing
    local name=$1
    shift
    "$SEEP" run -q --name "$name" --duration 2s -o 'gates=[cpu < 900%]' "$@" -- sleep 60 >"$name.out" 2>"$name.err"
}

@test "X01 every format of a run in one directory, each taken by its reader, and what is new since another run" {
    "$SEEP" run -q --name base --duration 10s -- "$TARGETS/leak_c" 10 >/dev/null 2>&1 || true
    "$SEEP" run -q --name head --duration 10s -- "$TARGETS/leak_c" 400000 >/dev/null 2>&1 || [ $? -eq 1 ]
    run "$SEEP" report head -f all --baseline base --source-root "$SEEP_SOURCE" -O artifacts/seep
    echo "$output"
    [ "$status" -eq 0 ]
    python3 - <<'PY'
import json, os
v = json.load(open("artifacts/seep/index.json"))
assert v["run"] == "head" and v["base"] == "base" and v["exit_code"] == 1
for f in v["files"]:
    assert os.path.getsize("artifacts/seep/" + f["file"]) == f["bytes"] > 0, f
assert len(v["files"]) == 13 and {f["file"] for f in v["files"]} | {"index.json"} == set(os.listdir("artifacts/seep"))
PY
    reads junit "v['failures'] >= 1" artifacts/seep/junit.xml
    reads tap "len(v['points']) >= 4" artifacts/seep/report.tap
    reads openmetrics "v['seep_exit_code']['samples'][0]['value'] == 1" artifacts/seep/metrics.txt
    reads md "'leak_c.c:' in v['html']" artifacts/seep/report.md
    reads sarif "(lambda r: r['baselineState'] == 'new' and r['locations'][0]['physicalLocation']['artifactLocation'] == {'uri': 'tests/targets/leak_c.c', 'uriBaseId': '%SRCROOT%'})(v['runs'][0]['results'][0])" artifacts/seep/report.sarif
    grep -q '^::error file=tests/targets/leak_c.c,line=' artifacts/seep/annotations.txt
    run "$SEEP" report head -f all -O artifacts # it holds something that is not ours
    [ "$status" -eq 2 ]
    [ -d artifacts/seep ]
    for format in junit sarif github tap html md; do
        run "$SEEP" compare base head -f "$format" --source-root "$SEEP_SOURCE" -O "compared.$format"
        [ "$status" -eq 1 ]
    done
    reads junit "v['cases'][0]['result'] == 'failure'" compared.junit
    reads sarif "[r['baselineState'] for r in v['runs'][0]['results']] == ['new']" compared.sarif
    reads tap "not v['points'][0]['ok']" compared.tap
    grep -q 'new growing call stack' compared.github
    grep -q 'Content-Security-Policy' compared.html
}

@test "X02 the command at the end gets the verdict, in bounded time and output, and changes nothing" {
    # shellcheck disable=SC2016  # the words are the command's
    short told -o 'run.on_finish=echo "$1|$2|$3|$4|$SEEP_RUN|$SEEP_EXIT_CODE|$SECRET"; test -s "$SEEP_VERDICT_FILE"'
    [ "$(cat results/told/on_finish.log)" = "$WORK/results/told/verdict.json|$WORK/results/told|pass|0|told|0|" ]
    # shellcheck disable=SC2016
    SECRET=abc short secret -o 'run.on_finish=test "${env:SECRET}" = abc && exit 3'
    grep -q 'run.on_finish: .*exited with status 3' secret.err
    verdict secret 'v["verdict"] == "pass" and v["exit_code"] == 0'
    "$SEEP" report secret -f json | grep -q 'exited with status 3'
    run "$SEEP" report secret --rejudge
    echo "$output"
    [ "$status" -eq 0 ]
    local begun=$SECONDS
    short hangs -o run.on_finish_within=1s -o 'run.on_finish=yes & sleep 600 & wait'
    [ $((SECONDS - begun)) -lt 60 ]
    grep -q 'took longer than run.on_finish_within and was killed' hangs.err
    [ "$(stat -c %s results/hangs/on_finish.log)" -eq 65536 ]
    # shellcheck disable=SC2016
    run short unset -o 'run.on_finish=echo ${env:SEEP_NOT_SET}'
    [ "$status" -eq 2 ]
    grep -q 'SEEP_NOT_SET' unset.err
}

@test "X03 pruning: what is old goes, with its bytes told; baselines, evidence, running and foreign things stay" {
    short plain &
    short sealed &
    short baseline &
    short patient -o run.keep=30d &
    short hasty -o run.keep=1s &
    wait
    "$SEEP" run -q --name running --detach --duration 60s -- sleep 60
    mkdir results/foreign && echo mine >results/foreign/notes.txt
    local name
    for name in sealed baseline; do
        sqlite3 "results/$name/run.db" "insert into meta (key, value) values ('$name', cast('yes' as blob))"
    done
    run "$SEEP" runs --prune --keep 1h
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" != *"removed plain"* && -d results/plain ]]
    look() { [ "$("$SEEP" runs --prune --keep 1s --dry-run | grep -cE 'would remove (plain|hasty)')" = 2 ]; }
    wait_for 20 look
    [ -d results/plain ]
    run "$SEEP" runs --prune --keep 1s
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"removed plain ("*B")"* && "$output" == *" runs removed, "*"2 kept for ever as baseline or evidence" ]]
    [ ! -d results/plain ] && [ ! -d results/hasty ]
    for name in sealed baseline patient running; do [ -e "results/$name/run.db" ]; done
    [ -e results/foreign/notes.txt ]
    "$SEEP" stop running
    "$SEEP" wait running || true
}
