#!/usr/bin/env bats
# The main flows once more as a user without rights, one the machine has no name for: no control group, no ptrace of strangers, no
# mounts. What can be measured is.
load ../lib/seep.bash
setup() {
    seep_setup
    [ "$(id -u)" = 0 ] || skip "this already is an ordinary user: the other cases say it all"
    seep_for_all_users
    chown 12345:12345 "$WORK"
}
teardown() { seep_teardown; }

as_user() { setpriv --reuid=12345 --regid=12345 --clear-groups env HOME="$WORK" TMPDIR="$WORK" "$@"; }

@test "H01 a run passes, with attribution; its directory is private" {
    run as_user "$SEEP" run -q --name u --duration 6s -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/leak_c" 1000
    echo "$output"
    [ "$status" -eq 0 ]
    valid_verdict u
    verdict u 'v["shutdown"]["status"] == "pass"'
    sampled u
    verdict u 'len(v["stacks"]) > 0 and any(f["function"] == "audit_record_new" for s in v["stacks"] for f in s["frames"])'
    [ "$(stat -c '%u %a' "$SEEP_RESULTS/u")" = "12345 700" ]
}

@test "H02 detach, a killed supervisor, resume" {
    as_user "$SEEP" run --detach --name d --duration 10s -o target.life=service -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/leak_c" 0
    local sup
    sup=$(as_user "$SEEP" status d | sed -n 's/.*supervisor \([0-9]*\).*/\1/p')
    kill -9 "$sup"
    run as_user "$SEEP" resume -q d
    echo "$output"
    [ "$status" -eq 0 ] || [ "$status" -eq 3 ]
    valid_verdict d
    verdict d 'v["shutdown"]["status"] == "pass"'
}

@test "H03 a crash is told with its signal, exit 4; a target that ignores TERM is killed, exit 5" {
    run as_user "$SEEP" run -q --name c --duration 5s -- "$TARGETS/crash_segv"
    [ "$status" -eq 4 ]
    [[ "$output" == *SEGV* ]]
    run as_user "$SEEP" run -q --name t --duration 2s -o shutdown.within=1s -o 'gates=["rss.total_growth < 1GB"]' -- "$TARGETS/term_ignore"
    [ "$status" -eq 5 ]
}

@test "H04 results of somebody else: exit 6 and a sentence; another user's target: exit 2" {
    mkdir foreign
    chmod 755 foreign
    run as_user "$SEEP" run -q --results foreign --duration 1s -- touch started
    echo "$output"
    [ "$status" -eq 6 ]
    [[ "$output" == *foreign* ]]
    run as_user "$SEEP" run -q -o target.user=root --duration 1s -- touch started
    [ "$status" -eq 2 ]
    [[ "$output" == *root* ]]
    [ ! -e started ]
}

@test "H05 odd places to start from: no environment, no home, an umask that forbids all, another locale and time zone" {
    # shellcheck disable=SC2016
    setpriv --reuid=12345 --regid=12345 --clear-groups env -i SEEP_RESULTS="$SEEP_RESULTS" /bin/sh -c \
        'umask 0777; exec "$@"' sh "$SEEP" run -q --name bare --duration 3s -o target.life=service -- /bin/sh -c 'umask; exec sleep 100' >bare.out 2>&1 &
    local bare=$!
    as_user PATH= HOME= TMPDIR=/nonexistent TZ=:/proc/self/mem LC_ALL=xx_YY "$SEEP" run -q --name odd --duration 3s \
        -o target.life=service -- "$TARGETS/leak_c" 0 >odd.out 2>&1 && false || [ $? -eq 3 ]
    wait "$bare" && false || [ $? -eq 3 ]
    cat bare.out odd.out
    valid_verdict bare
    valid_verdict odd
    grep -qx 0777 "$SEEP_RESULTS/bare/target.log" # the target has the caller's own
    [ "$(stat -c '%a' "$SEEP_RESULTS/bare")" = 700 ]
    [ "$(stat -c '%a' "$SEEP_RESULTS/bare/report.html")" = 600 ]
    verdict odd 'v["shutdown"]["status"] == "pass"'
    sampled odd
}
