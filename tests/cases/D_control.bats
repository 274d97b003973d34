#!/usr/bin/env bats
# Detached runs, and what happens when supervisor, keeper or both are killed.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

start() { # start NAME DURATION
    "$SEEP" run --detach --name "$1" --duration "$2" -o target.life=service -- "$TARGETS/leak_c" 0 >/dev/null
    DIR=$SEEP_RESULTS/$1
}
supervisor() { "$SEEP" status "$1" | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1; }
target() { "$SEEP" status "$1" | sed -n 's/.*target \([0-9]*\).*/\1/p' | head -n 1; }
samples() { "$SEEP" status "$1" | sed -n 's/.* \([0-9]*\) samples.*/\1/p' | head -n 1; }
has_samples() { [ "$(samples "$1")" -ge "$2" ]; }
gone() { ! kill -0 "$1" 2>/dev/null; }

@test "D01 detach, status, stop, wait: the verdict's own exit code" {
    start d 60s
    "$SEEP" status d | grep -q '^running'
    wait_for 10 has_samples d 3
    "$SEEP" stop d
    run "$SEEP" wait d
    [ "$status" -eq 3 ]
    run "$SEEP" status d
    [[ "$output" == ended* ]]
    verdict d 'v["shutdown"]["status"] == "pass"'
}

@test "D02 wait has a limit" {
    start d 60s
    run "$SEEP" wait d --timeout 200ms
    [ "$status" -eq 3 ]
    "$SEEP" stop d
    "$SEEP" wait d || true
}

@test "D03 the supervisor is killed: the target runs on, resume goes on with a recorded gap" {
    start r 15s
    wait_for 10 has_samples r 5
    local sup tgt
    sup=$(supervisor r) tgt=$(target r)
    kill -9 "$sup"
    wait_for 5 gone "$sup"
    kill -0 "$tgt"
    run "$SEEP" status r
    [ "$status" -eq 3 ]
    [[ "$output" == orphaned* ]]
    run "$SEEP" resume -q r
    echo "$output"
    [ "$status" -eq 3 ] || [ "$status" -eq 0 ]
    wait_for 5 gone "$tgt"
    verdict r 'len(v["evidence"]["gaps"]) >= 1'
    verdict r 'v["shutdown"]["status"] == "pass"'
    valid_verdict r
}

@test "D04 the supervisor is killed: finish judges what there is" {
    start f 60s
    wait_for 10 has_samples f 5
    local sup tgt
    sup=$(supervisor f) tgt=$(target f)
    kill -9 "$sup"
    wait_for 5 gone "$sup"
    run "$SEEP" finish -q f
    echo "$output"
    [ "$status" -eq 3 ]
    wait_for 5 gone "$tgt"
    verdict f 'v["evidence"]["samples"] >= 5'
    verdict f 'v["outcome"] == "stopped" and "of 60 s, and the run was finished by request" in v["outcome_sentence"]'
}

@test "D05 supervisor and keeper are killed: the run is closed as lost, nothing is signalled" {
    start k 60s
    wait_for 10 has_samples k 5
    local sup tgt keeper
    sup=$(supervisor k) tgt=$(target k)
    keeper=$(awk '{print $4}' "/proc/$tgt/stat")
    kill -9 "$sup" "$keeper"
    wait_for 5 gone "$sup"
    wait_for 5 gone "$keeper"
    kill -0 "$tgt"
    run "$SEEP" status k
    echo "$output"
    [[ "$output" == "broken  its supervisor and its keeper are gone, target $tgt lives on as nobody's child;"* ]]
    run "$SEEP" finish -q k
    echo "$output"
    [ "$status" -eq 4 ]
    kill -0 "$tgt"
    local groups
    groups=$(find /sys/fs/cgroup -maxdepth 6 -type d -name 'seep-k-*' 2>/dev/null || true)
    [ -z "$groups" ] || "$SEEP" report k -f json | grep -q 'control group'
    kill -9 "$tgt"
    wait_for 5 gone "$tgt"
    for group in $groups; do wait_for 5 rmdir "$group"; done
    verdict k 'v["verdict"] == "target_failed" and v["evidence"]["samples"] >= 5'
    verdict k 'v["evidence"]["attribution"] == "exact"' # it was, although nobody is left to say so
}

@test "D06 the keeper is killed: the run goes on and says so, the exit status is not made up" {
    start e 15s
    wait_for 10 has_samples e 5
    local tgt keeper
    tgt=$(target e)
    keeper=$(awk '{print $4}' "/proc/$tgt/stat")
    kill -9 "$keeper"
    run "$SEEP" wait e
    wait_for 5 gone "$tgt"
    [ "$status" -ne 0 ]
    "$SEEP" report e -f json | grep -q keeper
}

@test "D07 Ctrl-C stops in order, judges, exit 130; TERM gives 143" {
    "$SEEP" run -q --name i --duration 60s -- "$TARGETS/leak_c" 0 >out.txt 2>&1 &
    local pid=$!
    wait_for 10 has_samples i 5
    kill -INT "$pid"
    local code=0
    wait "$pid" || code=$?
    [ "$code" -eq 130 ]
    verdict i 'v["shutdown"]["status"] == "pass" and v["evidence"]["samples"] >= 5'
    "$SEEP" run -q --name t --duration 60s -- "$TARGETS/leak_c" 0 >out.txt 2>&1 &
    pid=$!
    wait_for 10 has_samples t 5
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" -eq 143 ]
}

@test "D08 a target that ignores TERM: killed after its patience, exit 5" {
    run "$SEEP" run -q --name ig --duration 3s -o shutdown.within=1s -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/term_ignore"
    echo "$output"
    [ "$status" -eq 5 ]
    verdict ig 'v["shutdown"]["status"] == "fail"'
}

@test "D09 the keeper dies while it starts the target: exit 6 at once, not a wait without end" {
    mkdir -p tree/bin
    cp "$SEEP" tree/bin/seep
    cp -r "$SEEP_BUILD/lib" tree/lib
    cat >tree/bin/seep-keeper <<'PY'
#!/usr/bin/env python3
# Speaks the protocol of src/keeper/protocol.h until it is told to start, and dies of it.
import socket, struct
link = socket.socket(fileno=4)
told = 0
while told != 2:
    magic, version, told, seq = struct.unpack_from("<IHHI", link.recv(256))
    link.send(struct.pack("<IHHIi", magic, version, 64, seq, 0) + bytes(240))
PY
    chmod +x tree/bin/seep-keeper
    run timeout 30 tree/bin/seep run --name k --duration 2s -- "$TARGETS/leak_c" 1000
    echo "$output"
    [ "$status" -eq 6 ]
    [[ "$output" == *"seep-keeper ended before it had started the target"* ]]
    [[ "$output" != *"could not be killed"* ]]
    valid_verdict k
}

@test "D10 the target's pid is somebody else's by the time the run is taken up: closed as lost, nobody is signalled" {
    [ "$(id -u)" = 0 ] && unshare -fp --mount-proc true 2>/dev/null || skip "needs root, for a namespace of pids"
    export -f start supervisor target has_samples samples gone wait_for
    export SEEP TARGETS SEEP_RESULTS
    unshare -fp --mount-proc --kill-child bash -euc '
        start again 60s
        wait_for 10 has_samples again 3
        sup=$(supervisor again) tgt=$(target again)
        kept=$(awk "{ print \$4 }" "/proc/$tgt/stat")
        kill -9 "$sup" "$kept" "$tgt"
        for pid in "$sup" "$kept" "$tgt"; do wait_for 5 gone "$pid"; done
        echo $((tgt - 1)) >/proc/sys/kernel/ns_last_pid
        sleep 100 & other=$!
        [ "$other" -eq "$tgt" ]
        "$SEEP" resume -q again || echo "exit $?"
        kill -0 "$other"
        [ "$(cat "/proc/$other/comm")" = sleep ]
    ' >out.txt 2>&1 || { cat out.txt; false; }
    cat out.txt
    grep -qx "exit 4" out.txt
    valid_verdict again
    verdict again 'v["target"]["exit"] is None or v["target"]["exit"] != 0'
}
