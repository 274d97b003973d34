#!/usr/bin/env bats
# The demo service under its own load: what scripts/demo shows, shorter.
load ../lib/seep.bash
setup() { seep_setup; PORT=$(free_port); }
teardown() { seep_teardown; }

soak() { # soak NAME DEMO-ARGUMENTS...
    local name=$1
    shift
    run decide "$name" -p demo --duration 25s -o run.drain=2s -o "vars.base_url=http://127.0.0.1:$PORT" -- \
        "$TARGETS/demo_service" --port "$PORT" --session-ttl 3 "$@"
    echo "$output"
}

@test "E01 the planted leak is found: FAIL, function with file and line, bytes per operation" {
    soak leak --leak login --leak-bytes 1024 # many times what is allowed, however few requests the machine lets through
    [ "$status" -eq 1 ]
    verdict leak 'v["stacks"][0]["frames"][0]["function"].startswith("audit")'
    verdict leak 'v["stacks"][0]["frames"][0]["line"] > 0'
    verdict leak 'v["stacks"][0]["per_op"]["login"] > 0'
    verdict leak 'v["load"]["requests"] > 1000'
    valid_verdict leak
}

@test "E02 the leak off: PASS, back to the baseline, port released" {
    soak fixed
    [ "$status" -eq 0 ]
    verdict fixed 'v["shutdown"]["status"] == "pass"'
    valid_verdict fixed
}

@test "E03 a reload: what the leak left grows again and fails, a sound service does not" {
    local name port
    for name in sound leak; do
        port=$(free_port)
        set -- --port "$port" --session-ttl 2
        [ "$name" = sound ] || set -- "$@" --leak login --leak-bytes 1024
        decide "$name" -p demo --duration 12s --interval 250ms -o run.drain=3s -o run.reload=true \
            -o "vars.base_url=http://127.0.0.1:$port" -o 'gates=[stack.growth < 1GB/h, heap.growth < 10MB/h]' -- \
            "$TARGETS/demo_service" "$@" >"$name.out" 2>&1 &
    done
    wait
    cat sound.out leak.out
    verdict sound 'v["reload"]["status"] == "pass"'
    verdict leak 'v["reload"]["status"] == "fail" and v["verdict"] == "fail"'
    verdict leak 'v["reload"]["second_growth_bytes"] > 0.5 * v["reload"]["first_growth_bytes"]'
    valid_verdict leak
}
