#!/usr/bin/env bats
# Bad input: every mistake has a clear sentence, its documented exit code, and leaves nothing behind.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

@test "G01 a run's name that would leave the results directory, or is none: exit 2" {
    local bad
    for bad in ../out . .. a/b '' -x 'a b' "$(printf 'x%.0s' {1..65})"; do
        run "$SEEP" run -q "--name=$bad" --duration 1s -- touch started
        [ "$status" -eq 2 ] || { echo "name '$bad' gave $status"; return 1; }
        [[ "$output" == *name* ]]
    done
    [ ! -e started ]
    [ ! -e "$WORK/out" ]
}

@test "G02 files the kernel cannot start: exit 4, each says why" {
    printf '#!/nonexistent/interpreter\n' >script
    printf '\177ELF and nothing more' >elf
    printf 'echo no first line\n' >text
    : >empty
    chmod +x script elf text empty
    local f
    for f in script elf text empty; do
        run "$SEEP" run -q --name "$f" --duration 1s -- "./$f"
        [ "$status" -eq 4 ]
        [[ "$output" == *"./$f"* ]]
        valid_verdict "$f"
    done
    "$SEEP" report script | tr -s ' \n' ' ' | grep -q '/nonexistent/interpreter'
    run "$SEEP" run -q --name cwd --duration 1s -o target.cwd=/nonexistent/dir -- true
    [ "$status" -eq 4 ]
    [[ "$output" == *nonexistent* ]]
}

@test "G03 a static target runs without attribution, and that is said" {
    run "$SEEP" run -q --name static --duration 3s -- "$TARGETS/static_malloc"
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"linked statically"* ]]
    sampled static
    valid_verdict static
}

@test "G04 a setuid target runs without attribution, and that is said" {
    [ "$(id -u)" = 0 ] || skip "only root can give a file away"
    cp "$TARGETS/leak_c" suid
    chown 12345 suid
    chmod 4755 suid
    chmod 755 "$WORK"
    run "$SEEP" run -q --name suid --duration 2s -- ./suid 0
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *setuid* ]]
}

@test "G05 resume and finish leave the verdict of an ended run alone" {
    decide "done" --duration 3s -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/leak_c" 0
    local before
    before=$(cat "$SEEP_RESULTS/done/verdict.json")
    for verb in resume finish; do
        run "$SEEP" "$verb" -q "done"
        [ "$status" -eq 0 ]
        [[ "$output" == *"ended already"* ]]
        [ "$before" = "$(cat "$SEEP_RESULTS/done/verdict.json")" ]
    done
    run "$SEEP" stop "done"
    [ "$status" -ne 0 ]
}

@test "G06 never ready: exit 4 within the limit, the last answer is told" {
    local check
    for check in '{"tcp": "127.0.0.1:1", "within": "1s"}|refused' '{"http": "http://127.0.0.1:1/", "within": "1s"}|connect' \
        '{"log": "never printed", "within": "1s"}|never printed' '{"command": ["false"], "within": "1s"}|status 1' \
        '{"command": ["sh", "-c", "sleep 60"], "within": "1s"}|too long' '{"command": ["no-such-check"], "within": "1s"}|No such file'; do
        SECONDS=0
        run "$SEEP" run -q --duration 2s -o "target.ready=${check%|*}" -- sleep 60
        echo "$output"
        [ "$status" -eq 4 ]
        [[ "$(tr -s ' \n' ' ' <<<"$output")" == *"not ready within 1 s"*"${check#*|}"* ]]
        [ "$SECONDS" -le 40 ] # and not for a minute
    done
}

@test "G07 commands on runs that are not there, exit 2" {
    local verb
    for verb in status wait stop resume finish report stacks; do
        run "$SEEP" "$verb" no-such-run
        [ "$status" -eq 2 ] || { echo "$verb gave $status"; return 1; }
        [[ "$output" == *no-such-run* ]]
    done
}

@test "G08 another supervisor's run cannot be taken: exit 2, its process is named" {
    "$SEEP" run --detach --name held --duration 60s -o target.life=service -- "$TARGETS/leak_c" 0
    local verb
    for verb in resume finish; do
        run "$SEEP" "$verb" -q held
        [ "$status" -eq 2 ]
        [[ "$output" == *process* ]]
    done
    "$SEEP" status held | grep -q '^running'
    "$SEEP" stop held
    "$SEEP" wait held || true
}

@test "G09 a run whose end is lost is reported as far as stored; a newer and an empty database are refused" {
    "$SEEP" run -q --name whole --duration 3s -o target.life=service -- "$TARGETS/leak_c" 0 || true
    local kind
    for kind in cut newer empty; do
        cp -r results/whole "results/$kind"
    done
    python3 - <<'PY'
import sqlite3
for name, change in (("cut", "delete from end_record"), ("newer", "pragma user_version = 99")):
    with sqlite3.connect(f"results/{name}/run.db") as db:
        db.execute(change)
PY
    : >results/empty/run.db
    "$SEEP" report whole >whole.txt
    ! grep -q 'as far as stored' whole.txt
    "$SEEP" report cut >cut.txt
    cat cut.txt
    grep -q '^INCONCLUSIVE as far as stored' cut.txt
    "$SEEP" report cut -f json | grep -q '"state": *"cut"'
    run "$SEEP" report newer
    [ "$status" -eq 3 ]
    [[ "$output" == *'schema 99'* ]]
    run "$SEEP" report empty
    [ "$status" -eq 6 ]
    [[ "$output" == *empty* ]]
}

# refused_gate GATE SENTENCE UNDER: a profile with that one gate is refused, the caret under the word that UNDER begins.
refused_gate() {
    sed "s|GATE|$1|" all.yaml >gate.yaml
    run "$SEEP" run -q -p gate.yaml
    echo "$output"
    [ "$status" -eq 2 ]
    [[ "$output" == *"gate.yaml:21:5: $2"* ]]
    local line=${lines[1]} caret=${lines[2]}
    caret=${caret%^}
    [[ "${line:${#caret}}" == "$3"* ]]
}

@test "G10 a gate on a load, step, metric, fault or probe that the profile does not have is refused before anything starts" {
    cat >all.yaml <<'YAML'
version: 1
target: { command: [touch, started], life: job }
load:
  rate: 10/s
  metrics: { slow: { rate: errors } }
  scenarios:
    - { name: search, request: "http://127.0.0.1:1/" }
    - name: shop
      steps:
        - { name: login, transaction: buy, request: { url: "http://127.0.0.1:1/" } }
        - { name: list, request: { url: "http://127.0.0.1:1/" } }
    - name: kiosk
      steps:
        - { name: login, request: { url: "http://127.0.0.1:1/" } }
        - { name: pay, request: { url: "http://127.0.0.1:1/" } }
faults:
  - { name: freeze, at: 1s, for: 1s, pause: target }
probes:
  - { name: alive, when: end, tcp: "127.0.0.1:1" }
gates:
  - GATE
YAML
    refused_gate 'http.p95{scenario=serach} < 1s' "There is no scenario 'serach'; did you mean 'search'?" serach
    refused_gate 'http.p95{scenario=shop, step = logni} < 1s' "There is no step 'logni'; did you mean 'login'?" logni
    refused_gate 'http.errors{transaction=by} < 1%' "There is no transaction 'by'" by
    refused_gate 'http.p95{load=main} < 1s' "There is no load 'main': its only load is the whole" main
    refused_gate 'http.p95{scenario=search,step=login} < 1s' "No part of the load has all these labels" login
    refused_gate 'http.p95{step=login} < 1s' \
        "2 parts of the load have these labels: {scenario=shop,step=login} and {scenario=kiosk,step=login}. Say which one" login
    refused_gate 'metric.rate{name=slwo} < 1%' "There is no metric 'slwo'; did you mean 'slow'?" slwo
    refused_gate 'fault.recovery{fault=freze} < 5s' "There is no fault 'freze'; did you mean 'freeze'?" freze
    refused_gate 'probe.time{name=alvie} < 5s' "There is no probe 'alvie'; did you mean 'alive'?" alvie
    [ ! -e started ] && [ ! -e results ]
    for gate in 'http.p95{scenario=shop,step=login} < 1s' 'http.errors{transaction=buy} < 1%' 'metric.rate{name=slow} < 1%' \
        'fault.recovery{fault=freeze} < 5s' 'probe.time{name=alive} < 5s'; do
        sed "s|GATE|$gate|" all.yaml >gate.yaml
        "$SEEP" profiles check gate.yaml
    done
    sed -e 's|GATE|heap.growth < 1MB/h|' -e 's|pause: target|pause: target, spares: ["http.errors{scenario=serach} < 1%"]|' \
        all.yaml >gate.yaml
    run "$SEEP" profiles check gate.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"A condition of the fault 'freeze': There is no scenario 'serach'; did you mean 'search'?"* ]]
}
