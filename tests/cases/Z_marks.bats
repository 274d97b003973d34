#!/usr/bin/env bats
# Programs that mark their own operations (seep_mark.h) and speak no HTTP: growth for each of them.
load ../lib/seep.bash
setup_file() {
    seep_setup
    export SEEP SEEP_SOURCE SEEP_BUILD TARGETS WORK
    { decide ops --duration 15s -o 'gates=["heap.growth_per_request < 10B"]' -- "$TARGETS/mark_ops" serve \
        >"$WORK/ops.out" 2>&1 && echo 0 || echo $?; } >"$WORK/ops.status" 3>&- &
    { "$SEEP" run -q --name crew --duration 8s -o run.early_stop=false -- "$TARGETS/mark_ops" crew 40 \
        >"$WORK/crew.out" 2>&1 && echo 0 || echo $?; } >"$WORK/crew.status" 3>&- &
    wait
}

teardown_file() { seep_teardown; }

@test "Z01 what each marked operation loses: 48 bytes per login, nothing per list; per request where there is no load" {
    cat "$WORK/ops.out"
    [ "$(cat "$WORK/ops.status")" = 1 ]
    grep -q 'heap.growth_per_request FAIL' "$WORK/ops.out"
    grep -q 'per marked operation' "$WORK/ops.out"
    grep -Eq '48(\.[0-9])? B per `login`' "$WORK/ops.out"
    grep -Eq '^  marks .*login [0-9 ]+ \(' "$WORK/ops.out"
    verdict ops '47.5 < v["per_op"]["login"] < 48.5 and abs(v["per_op"].get("list", 0)) < 0.5'
    verdict ops '47.5 < v["stacks"][0]["per_op"]["login"] < 48.5'
    verdict ops 'sorted(m["name"] for m in v["marks"]) == ["list", "login"]'
    local of
    of=$(sed -n 's/^login //p' "$SEEP_RESULTS/ops/target.log")
    verdict ops "0.5 * $of < [m['count'] for m in v['marks'] if m['name'] == 'login'][0] <= $of"
    valid_verdict ops
    "$SEEP" stacks ops | grep -q 'per `login`'
    grep -q 'Marked operations' "$SEEP_RESULTS/ops/report.html"
    "$SEEP" report ops -f md | grep -q '### Marked operations'
}

@test "Z02 the marks of workers that come and go are all counted" {
    cat "$WORK/crew.out"
    verdict crew '{m["name"]: m["count"] for m in v["marks"]} == {"job": 1000, "worker": 40, "crew": 1}'
}

@test "Z03 also when seep is killed in between" {
    "$SEEP" run --detach --name again --duration 9s -o target.life=service -o run.early_stop=false \
        -- "$TARGETS/mark_ops" crew 60 >/dev/null
    jobs_seen() { [ "$(sqlite3 "$SEEP_RESULTS/again/run.db" "select count(*) from series where name = 'mark.gone'" 2>/dev/null || echo 0)" -ge 1 ]; }
    wait_for 20 jobs_seen
    local sup
    sup=$("$SEEP" status again | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1)
    kill -9 "$sup"
    gone() { ! kill -0 "$sup" 2>/dev/null; }
    wait_for 5 gone
    run "$SEEP" resume -q again
    echo "$output"
    [ "$status" -eq 3 ] || [ "$status" -eq 0 ]
    grep -q '^job 1500$' "$SEEP_RESULTS/again/target.log"
    verdict again '{m["name"]: m["count"] for m in v["marks"]} == {"job": 1500, "worker": 60, "crew": 1}'
}
