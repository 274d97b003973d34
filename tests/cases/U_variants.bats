#!/usr/bin/env bats
# U: variants of a program on the same load: in turn and at once, compared by medians and gates across them.
load ../lib/seep.bash

setup() {
    seep_setup
    A=$(free_port) B=$(free_port)
    cat >p.yaml <<YAML
version: 1
target: { command: [none], life: service, ready: { tcp: "127.0.0.1:\${port}", within: 20s } }
run: { duration: 3s, interval: 100ms, drain: 300ms }
attribution: off
load: { rate: 200/s, scenarios: [ { name: app, request: "http://127.0.0.1:\${port}/health" } ] }
gates: [ http.errors < 50% ]
YAML
    printf 'version: 1\nvars: { port: "%s" }\ntarget: { command: [%s, --port, "%s"] }\n' "$A" "$TARGETS/demo_service" "$A" >a.yaml
    # The second carries 60 MB that it does not need.
    printf 'version: 1\nvars: { port: "%s" }\ntarget: { command: [bash, -c, "printf -v x %%60000000s; %s --port %s & wait"] }\nshutdown: off\n' \
        "$B" "$TARGETS/demo_service" "$B" >b.yaml
    printf 'version: 1\nvars: { port: "%s" }\ntarget: { command: [%s, --port, "%s"] }\n' "$B" "$TARGETS/demo_service" "$B" >c.yaml
}
teardown() { seep_teardown; }

@test "U21 two variants in turn: runs of their own, medians, gates across them, the exit code of the worst" {
    local status=0
    "$SEEP" run -p ./p.yaml --name g --variant lean=./a.yaml --variant fat=./b.yaml --rounds 2 -f json \
        --gate 'memory(lean) <= memory(fat)' --gate 'memory(fat) - memory(lean) < 1MB' --gate 'throughput(fat)/throughput(lean) > 0.5' >out 2>err || status=$?
    [ "$status" -eq 1 ]
    for r in g-lean-1 g-fat-1 g-fat-2 g-lean-2; do [ -s "$SEEP_RESULTS/$r/verdict.json" ]; done
    grep '^seep: variant' err | awk '{ print $3 $5 }' | tr '\n' ' ' | grep -qF 'lean,1 fat,1 fat,2 lean,2'
    SCHEMA=$SEEP_SOURCE/docs/schema/seep.variants.1.json python3 - <<'PY'
import json
v = json.load(open("out"))
assert v["schema"] == "seep.variants/1" and [x["name"] for x in v["variants"]] == ["lean", "fat"]
assert [g["status"] for g in v["gates"]] == ["pass", "fail", "pass"], v["gates"]
assert v["gates"][1]["value"] > 40e6 and v["variants"][1]["rounds_worse"] >= 1
assert v["variants"][0]["runs"] == ["g-lean-1", "g-lean-2"]
assert v["gates"][1]["unit"] == "bytes" and v["gates"][1]["margin"]["rounds"] == 2
rss = next(f for f in v["figures"] if f["name"] == "rss")
assert rss["ratios"]["fat"]["ci90"][0] > 10 and len(rss["values"]["fat"]) == 2
import jsonschema, os
jsonschema.validate(v, json.load(open(os.environ["SCHEMA"])))
PY
}

@test "U22 at the same time, with instances: how throughput scales" {
    run "$SEEP" run -p ./p.yaml --name s --variant one=./a.yaml --variant more=./b.yaml --at-once \
        --instances one=1 --instances more=2 2>/dev/null
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ] # a generator that was late decides nothing
    [[ $output == *"scaling  more: 2 instances, 0."* ]]
}

@test "U23 what cannot be is refused before anything runs" {
    local words
    while read -r words; do
        # shellcheck disable=SC2086
        run "$SEEP" run -p ./p.yaml $words
        [ "$status" -eq 2 ] || { echo "$words: $status $output"; return 1; }
    done <<'TABLE'
--variant a=./a.yaml
--variant =x --variant b=y
--variant a=./a.yaml --variant b=./b.yaml --gate p99(a)
--variant a=./a.yaml --variant b=./b.yaml --gate p99(c)<1ms
--variant a=./a.yaml --variant b=./b.yaml --instances c=3
TABLE
    [ ! -d "$SEEP_RESULTS" ]
}

last_tick() { [ -s "$SEEP_RESULTS/$1/run.db" ] && [ "$(sqlite3 -readonly "$SEEP_RESULTS/$1/run.db" 'select count(*) from tick' 2>/dev/null || echo 0)" -ge "$2" ]; }

@test "U24 a signal in the second round ends its run in order; the first round is compared, exit 130 or 143" {
    local sig code rc seep
    while read -r sig code; do
        "$SEEP" run -p ./p.yaml --name "$sig" --variant lean=./a.yaml --variant fat=./a.yaml --rounds 3 -o run.duration=4s \
            --gate 'throughput(fat)/throughput(lean) > 0.1' >"out.$sig" 2>"err.$sig" &
        seep=$!
        wait_for 30 last_tick "$sig-fat-2" 5
        kill "-$sig" "$seep"
        rc=0
        wait "$seep" || rc=$?
        [ "$rc" -eq "$code" ] || { cat "err.$sig"; return 1; }
        [[ $(cat "out.$sig") == *"Interrupted: 1 of 3 rounds are complete and compared."* ]]
        [[ $(cat "out.$sig") == *"PASS  throughput(fat)/throughput(lean) > 0.1"* ]]
        [ -s "$SEEP_RESULTS/$sig-fat-2/verdict.json" ] # what was measured is judged
        [ ! -e "$SEEP_RESULTS/$sig-lean-2" ]
    done <<'TABLE'
INT 130
TERM 143
TABLE
}

@test "U25 the parent of the runs is killed: each run stops its target in order and judges what it has" {
    local seep pids
    "$SEEP" run -p ./p.yaml --name k --variant one=./a.yaml --variant two=./c.yaml --at-once -o run.duration=60s >/dev/null 2>err &
    seep=$!
    wait_for 30 last_tick k-one-1 5
    wait_for 30 last_tick k-two-1 5
    kill -9 "$seep"
    wait "$seep" || true
    wait_for 20 test -s "$SEEP_RESULTS/k-one-1/verdict.json"
    wait_for 20 test -s "$SEEP_RESULTS/k-two-1/verdict.json"
    verdict k-one-1 'v["shutdown"]["status"] == "pass"'
}

@test "U26 one page with all of it: intervals, gates, how throughput scales with two and three instances" {
    run "$SEEP" run -p ./p.yaml --name h --variant one=./a.yaml --variant more=./a.yaml --rounds 2 -o run.duration=2s \
        --instances one=1 --instances more=3 --gate 'p99{scenario=app}(more) < 60s' -f html -O report.html
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    [ "$(stat -c %a report.html)" = 600 ]
    grep -q 'class="scaling"' report.html
    grep -q 'class="ratios"' report.html
    grep -q '>PASS<' report.html
    ! grep -qiE '(src|href)="?https?:' report.html
}

@test "U27 a gate on what no run has, and a limit in another unit, are usage errors that say so" {
    run "$SEEP" run -p ./p.yaml --name n --variant a=./a.yaml --variant b=./a.yaml -o run.duration=1s --gate 'cache_hits(a) > 1'
    [ "$status" -eq 2 ]
    [[ $output == *"names the figure 'cache_hits', which no run has"* ]]
    run "$SEEP" run -p ./p.yaml --name m --variant a=./a.yaml --variant b=./a.yaml --gate 'p99(b) - p99(a) < 1MB'
    [ "$status" -eq 2 ]
    [[ $output == *"not in the unit of what it limits (s)"* ]]
    [ ! -e "$SEEP_RESULTS/m-a-1" ]
}
