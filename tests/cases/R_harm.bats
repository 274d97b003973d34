#!/usr/bin/env bats
# The probe in trouble: whatever happens to attribution, the target runs as it would without, and the verdict says what is missing.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

@test "R01 a probe that hangs in one thread is turned off: the target goes on, the verdict says DEGRADED" {
    cmake --install "$SEEP_BUILD" --prefix "$WORK/seep" >/dev/null
    cp "$SEEP_BUILD/tests/hanging/libseep-probe.so" "$WORK/seep/lib/libseep-probe.so" # the same probe with a fault built in
    run -3 "$WORK/seep/bin/seep" run --name hang --duration 9s -o target.life=service -o 'gates=["stack.growth < 1MB/h"]' -- \
        "$TARGETS/probe_hangs"
    echo "$output"
    valid_verdict hang
    grep -qx "came back" "$SEEP_RESULTS/hang/target.out"
    verdict hang 'v["outcome"]["kind"] == "completed" and v["evidence"]["store"] == "degraded"'
    verdict hang '"held up a thread" in v["evidence"]["attribution_reason"] and v["gates"][0]["status"] == "inconclusive"'
    verdict hang 'any(e["kind"] == "degraded" and "turned off" in e["text"] for e in v["events"])'
    grep -q DEGRADED <<<"$output"
}
