#!/usr/bin/env bats
# Faults from outside: kills at awkward moments, full disks, targets that stop, leave children or are killed.
bats_require_minimum_version 1.5.0
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

target() { "$SEEP" status "$1" | sed -n 's/.*target \([0-9]*\).*/\1/p' | head -n 1; }
samples() { "$SEEP" status "$1" | sed -n 's/.* \([0-9]*\) samples.*/\1/p' | head -n 1; }
has_samples() { [ "$(samples "$1")" -ge "$2" ]; }
is_not_running() { ! "$SEEP" status "$1" | grep -q '^running'; }
is_stopping() { "$SEEP" status "$1" | grep -q '^running  stopping'; }
gone() { ! kill -0 "$1" 2>/dev/null; }
whole() { [ "$(sqlite3 "$SEEP_RESULTS/$1/run.db" 'pragma integrity_check')" = ok ]; }
cgroups() { ls -d /sys/fs/cgroup/*/seep-"$1"-* /sys/fs/cgroup/seep-"$1"-* 2>/dev/null; }

# killed NAME SYSCALL N: a run whose first thread to come to its Nth SYSCALL takes its process with it. strace stays as
# long as keeper and target live, so it is ended when its time is over; -I1 lets it be.
killed() {
    command -v strace >/dev/null || skip "strace is not installed"
    timeout 8 strace -f -I1 -o /dev/null -e "trace=$2" -e "inject=$2:signal=SIGKILL:when=$3" \
        "$SEEP" run -q --name "$1" --duration 2s -o target.life=service -- "$TARGETS/leak_c" 1000 >out.txt 2>&1
}

@test "F01 the supervisor is killed before the target began: closed as an error, exit 6" {
    local code=0
    killed early write 1 || code=$?
    [ "$code" -eq 137 ]
    run "$SEEP" resume -q early
    echo "$output"
    [ "$status" -eq 6 ]
    [[ "$output" == *"before the target had been started"* ]]
    whole early
    valid_verdict early
    [ -z "$(cgroups early)" ]
    run "$SEEP" status early
    [[ "$output" == ended* ]]
}

@test "F02 killed at many moments: the store is whole, resume or finish ends the run, nothing is left" {
    local n=0 at verb=resume code
    for at in fdatasync:30 epoll_pwait:5 epoll_pwait:25 sendmsg:1 sendto:3; do
        n=$((n + 1)) code=0
        killed "m$n" "${at%:*}" "${at#*:}" || code=$?
        wait_for 60 is_not_running "m$n" # where its time was over before the call came, it ends by itself
        [ "$verb" = resume ] && verb=finish || verb=resume
        run "$SEEP" status "m$n"
        echo "$at: $code: $output"
        run timeout 30 "$SEEP" "$verb" -q "m$n"
        echo "$verb: $status: $output"
        [ "$status" -le 6 ] && [ "$status" -ne 2 ]
        whole "m$n"
        valid_verdict "m$n"
        [ -z "$(cgroups "m$n")" ]
        [ -z "$(seep_left)" ]
    done
}

on_small_disk() { # on_small_disk SIZE SCRIPT: the script runs in a mount namespace of its own, with a small disk as results
    [ "$(id -u)" = 0 ] || skip "only root can mount a small disk"
    unshare -m true 2>/dev/null || skip "no mount namespace of our own can be had here"
    mkdir -p small
    unshare -m bash -c "mount -t tmpfs -o size=$1 tmpfs '$WORK/small' || exit 1; export SEEP_RESULTS='$WORK/small/r'; $2"
}

@test "F03 the disk fills during the run: nothing is lost, the verdict comes, the run says DEGRADED" {
    on_small_disk 12m "
        '$SEEP' run -q --name full --duration 5s -o 'gates=[\"rss.total_growth < 1GB\"]' -- '$TARGETS/leak_c' 0 >out.txt 2>&1 &
        pid=\$!
        until '$SEEP' status full 2>/dev/null | grep -Eq ' ([3-9]|[1-9][0-9]+) samples'; do sleep 0.05; done
        dd if=/dev/zero of=small/fill bs=4k status=none 2>/dev/null
        wait \$pid; echo \$? >code.txt
        cp small/r/full/verdict.json . "
    cat out.txt
    [ "$(cat code.txt)" = 0 ]
    python3 -c '
import json
v = json.load(open("verdict.json"))
e = v["evidence"]
assert v["verdict"] == "pass" and e["samples"] > 5 and e["samples"] + sum(g["missed"] for g in e["gaps"]) >= e["expected"], e
assert v["shutdown"]["status"] == "pass"'
}

@test "F04 a disk too small for anything: exit 6 with a sentence" {
    on_small_disk 64k "
        code=0; '$SEEP' run -q --name tiny --duration 2s -- touch started >out.txt 2>&1 || code=\$?; echo \$code >code.txt"
    cat out.txt
    [ "$(cat code.txt)" = 6 ]
    grep -qi "full\|space" out.txt
    [ ! -e started ]
}

@test "F05 a disk too small for the end: exit 6, the sentence and the way out are told" {
    on_small_disk 300k "
        code=0; '$SEEP' run -q --name small --duration 4s -- '$TARGETS/leak_c' 1000 >out.txt 2>&1 || code=\$?; echo \$code >code.txt
        mount -o remount,size=20m small
        '$SEEP' finish -q small >finish.txt 2>&1; echo \$? >>code.txt"
    cat out.txt finish.txt
    [ "$(head -n 1 code.txt)" = 6 ]
    grep -q "could not be stored" out.txt
    grep -q "seep finish" out.txt
    [ "$(tail -n 1 code.txt)" = 3 ]
}

@test "F06 killed by SIGKILL of somebody: exit 4, and never called out of memory" {
    run "$SEEP" run -q --name k9 --duration 20s -- sh -c 'sleep 0.5; kill -9 $$'
    echo "$output"
    [ "$status" -eq 4 ]
    [[ "$output" == *"was killed by SIGKILL"* ]]
    [[ "$output" != *"out of memory"* ]]
    valid_verdict k9
}

@test "F07 children that stay at the shutdown are named, exit 5, and do not outlive the run" {
    run "$SEEP" run -q --name kids --duration 3s -o 'gates=["rss.total_growth < 1GB"]' -- \
        sh -c "trap 'exit 0' TERM; setsid sleep 77 & while :; do sleep 0.1; done"
    echo "$output"
    [ "$status" -eq 5 ]
    [[ "$output" == *"(sleep)"* ]]
}

@test "F08 a stopped target: the time is a row, and the stop signal ends it all the same" {
    "$SEEP" run --detach --name still --duration 10s -o target.life=service -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/leak_c" 0
    wait_for 10 has_samples still 3
    kill -STOP "$(target still)"
    run "$SEEP" wait still
    echo "$output"
    [ "$status" -eq 0 ]
    verdict still 'v["shutdown"]["status"] == "pass"'
    [ "$(sqlite3 "$SEEP_RESULTS/still/run.db" "select count(*) from event where kind = 'paused'")" -gt 0 ]
}

@test "F09 Ctrl-\\ leaves the target running, exit 130; resume takes it up" {
    "$SEEP" run -q --name left --duration 10s -o target.life=service -- "$TARGETS/leak_c" 0 >out.txt 2>&1 &
    local pid=$! code=0 tgt
    wait_for 10 has_samples left 3
    tgt=$(target left)
    kill -QUIT "$pid"
    wait "$pid" || code=$?
    cat out.txt
    [ "$code" -eq 130 ]
    kill -0 "$tgt"
    run "$SEEP" status left
    [[ "$output" == orphaned* ]]
    run "$SEEP" resume -q left
    [ "$status" -eq 3 ] || [ "$status" -eq 0 ]
    wait_for 5 gone "$tgt"
    verdict left 'len(v["evidence"]["gaps"]) >= 1 and v["shutdown"]["status"] == "pass"'
}

@test "F10 a second Ctrl-C ends a target that ignores the first, exit 130" {
    "$SEEP" run -q --name twice --duration 60s -o shutdown.within=60s -- "$TARGETS/term_ignore" >out.txt 2>&1 &
    local pid=$! code=0
    wait_for 10 has_samples twice 2
    kill -INT "$pid"
    wait_for 10 is_stopping twice
    kill -INT "$pid"
    SECONDS=0
    wait "$pid" || code=$?
    [ "$code" -eq 130 ]
    [ "$SECONDS" -lt 50 ]
}

@test "F11 the supervisor stands still for a while: one row tells of the time, and what was stored before and after counts" {
    "$SEEP" run --detach --name still --duration 8s -o target.life=service -o run.early_stop=false -- "$TARGETS/leak_c" 1000 >/dev/null
    wait_for 10 has_samples still 5
    local supervisor
    supervisor=$("$SEEP" status still | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1)
    kill -STOP "$supervisor"
    sleep 2
    kill -0 "$(cat /proc/"$supervisor"/task/"$supervisor"/children | awk '{print $1}')" # the keeper and what it keeps are not in it
    kill -CONT "$supervisor"
    "$SEEP" wait still || [ $? -le 3 ]
    valid_verdict still
    verdict still 'sum(1 for g in v["evidence"]["gaps"] if g["to_s"] - g["from_s"] > 1.5) == 1'
    verdict still 'v["shutdown"]["status"] == "pass"'
    sampled still 6
}

@test "F12 as the first process of a container, where other processes are hidden, and below another seep" {
    "$SEEP" run -q --name outer --duration 30s -o target.life=job --output inherit -- \
        sh -c '"$0" run -q --name inner --duration 3s -o target.life=service -- "$1" 0; [ $? -eq 3 ]' "$SEEP" "$TARGETS/leak_c" >nested.out 2>&1 &
    local nested=$!
    if [ "$(id -u)" = 0 ] && unshare -fpm --mount-proc true 2>/dev/null; then
        run -3 unshare -fpm --mount-proc --kill-child "$SEEP" run -q --name first --duration 3s -o target.life=service -- "$TARGETS/leak_c" 0
        valid_verdict first
        verdict first 'v["shutdown"]["status"] == "pass"'
        sampled first
        run -3 unshare -fpm --kill-child sh -c 'mount -t proc -o hidepid=2 proc /proc && "$0" run -q --name hidden --duration 3s \
            -o target.life=service -- "$1" 0' "$SEEP" "$TARGETS/leak_c"
        valid_verdict hidden
    fi
    wait "$nested" || [ $? -le 3 ]
    cat nested.out
    valid_verdict inner
    valid_verdict outer
    verdict outer 'v["target"]["exit"]["status"] == 0'
}

@test "F13 the terminal goes away under a run: it goes on without" {
    python3 - "$SEEP" run --name terminal --duration 4s -o target.life=service -o run.early_stop=false -- "$TARGETS/leak_c" 0 <<'PY'
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"pid" not in seen: # its status line is there
    seen += os.read(terminal, 4096)
os.close(terminal)
_, status = os.waitpid(pid, 0)
sys.exit(0 if os.waitstatus_to_exitcode(status) == 3 else 1)
PY
    valid_verdict terminal
    verdict terminal 'v["shutdown"]["status"] == "pass"'
    sampled terminal
}

@test "F14 a target that moves itself out of its control group is stopped with all of its children" {
    [ "$(id -u)" = 0 ] || skip "only root can move processes between control groups"
    cat >escape.sh <<'SH'
for group in /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs; do echo $$ >$group; done 2>/dev/null
trap '' TERM
sleep 300 & setsid sleep 300 &
while :; do sleep 1; done
SH
    run "$SEEP" run -q --name escape --duration 3s -o target.life=service -o shutdown.within=500ms -- sh escape.sh
    echo "$output"
    [ "$status" -eq 5 ] # it had to be killed
    valid_verdict escape
    [ -z "$(cgroups escape)" ]
}

@test "F15 as many files as there may be: the run says what is missing, and keeps what it has" {
    on_small_disk 60m,nr_inodes=12 "\"$SEEP\" run -q --name inodes --duration 4s -o target.life=service -- \"$TARGETS/leak_c\" 0; echo \"exit \$?\"; ls \"\$SEEP_RESULTS/inodes\"" >out.txt 2>&1 || true
    cat out.txt
    grep -qE '^exit (3|6)$' out.txt
    grep -qx run.db out.txt
}

@test "F16 a supervisor, and then its keeper, that does not answer lives all the same, and status says so of each" {
    "$SEEP" run --detach --name silent --duration 300s -o target.life=service -- "$TARGETS/leak_c" 1000 >/dev/null
    wait_for 20 has_samples silent 2
    local supervisor keeper target i waiting=()
    target=$(target silent)
    supervisor=$("$SEEP" status silent | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1)
    keeper=$(awk '{print $4}' "/proc/$target/stat")
    kill -STOP "$supervisor"
    run -0 "$SEEP" status silent
    [[ "$output" == "running  supervisor $supervisor "* ]]
    run -4 "$SEEP" stop silent
    [[ "$output" == *"lives and did not answer"* ]]
    kill -KILL "$supervisor"
    wait_for 20 gone "$supervisor"
    kill -STOP "$keeper"
    run -3 "$SEEP" status silent
    echo "$output"
    [[ "$output" == "orphaned "*"its keeper lives with the target and does not answer now"* ]]
    kill -CONT "$keeper"
    run -3 "$SEEP" status silent
    [[ "$output" == "orphaned "*"target $target runs on"* ]]
    kill -KILL "$keeper"
    wait_for 20 gone "$keeper"
    run -3 "$SEEP" status silent
    [[ "$output" == "broken "*"target $target lives on"* ]]
    kill -KILL "$target"
    wait_for 20 gone "$target"
    run -3 "$SEEP" status silent
    [[ "$output" == "broken  its supervisor and its keeper are gone; use"* ]]
    # As many as it takes ask at once, and stay: the next learns that it is at work.
    "$SEEP" run --detach --name many --duration 300s -o target.life=service -- "$TARGETS/leak_c" 0 >/dev/null
    for i in 1 2 3 4 5 6 7 8; do
        "$SEEP" wait many &
        waiting+=("$!")
    done
    supervisor=$(sed -n 1p "$SEEP_RESULTS/many/run.lock")
    full() { run -0 "$SEEP" status many && [[ "$output" == *"too busy to answer"* ]]; }
    wait_for 30 full
    [[ "$output" == "running  supervisor $supervisor "* ]]
    kill -KILL "${waiting[0]}"
    wait_for 30 "$SEEP" stop many
    for i in "${waiting[@]:1}"; do wait "$i" || [ $? -le 4 ]; done
}
