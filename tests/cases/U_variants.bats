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
}
teardown() { seep_teardown; }

@test "U21 two variants in turn: runs of their own, medians, gates across them, the exit code of the worst" {
    local status=0
    "$SEEP" run -p ./p.yaml --name g --variant lean=./a.yaml --variant fat=./b.yaml --rounds 2 -f json \
        --gate 'memory(lean) <= memory(fat)' --gate 'memory(fat) - memory(lean) < 1MB' --gate 'throughput(fat)/throughput(lean) > 0.5' >out 2>err || status=$?
    [ "$status" -eq 1 ]
    for r in g-lean-1 g-fat-1 g-fat-2 g-lean-2; do [ -s "$SEEP_RESULTS/$r/verdict.json" ]; done
    grep '^seep: variant' err | awk '{ print $3 $5 }' | tr '\n' ' ' | grep -qF 'lean,1 fat,1 fat,2 lean,2'
    python3 - <<'PY'
import json
v = json.load(open("out"))
assert v["schema"] == "seep.variants/1" and [x["name"] for x in v["variants"]] == ["lean", "fat"]
assert [g["status"] for g in v["gates"]] == ["pass", "fail", "pass"], v["gates"]
assert v["gates"][1]["value"] > 40e6 and v["variants"][1]["rounds_worse"] >= 1
assert v["variants"][0]["runs"] == ["g-lean-1", "g-lean-2"]
PY
}

@test "U22 at the same time, with instances: how throughput scales" {
    run "$SEEP" run -p ./p.yaml --name s --variant one=./a.yaml --variant more=./b.yaml --at-once \
        --instances one=1 --instances more=2 2>/dev/null
    [ "$status" -eq 0 ]
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
