#!/usr/bin/env bats
# The command line, errors before anything starts, and the plainest runs.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

@test "A01 version, help and every command's help" {
    "$SEEP" --version | grep -q '^seep '
    "$SEEP" help | grep -q 'run'
    for c in run report stacks load runs profiles doctor status wait stop resume finish; do
        "$SEEP" "$c" --help | grep -qi "usage" || { echo "no help for $c"; return 1; }
    done
}

@test "A02 an unknown command is named, exit 2" {
    run "$SEEP" rnu
    [ "$status" -eq 2 ]
    [[ "$output" == *rnu* ]]
    [[ "$output" == *run* ]]
}

@test "A03 no command to run, exit 2" {
    run "$SEEP" run
    [ "$status" -eq 2 ]
    [[ "$output" == *command* ]]
}

@test "A04 a missing target is named, exit 4, no run directory left running" {
    run "$SEEP" run -q -- ./not-there
    [ "$status" -eq 4 ]
    [[ "$output" == *not-there* ]]
}

@test "A05 a target that may not be executed, exit 4" {
    echo hello >plain.txt
    run "$SEEP" run -q -- ./plain.txt
    [ "$status" -eq 4 ]
    [[ "$output" == *plain.txt* ]]
    mkdir dir
    run "$SEEP" run -q -- ./dir
    [ "$status" -eq 4 ]
}

@test "A06 a target that dies at once: exit 4, the signal is named, the report is there" {
    run "$SEEP" run -q --name dies --duration 5s -- "$TARGETS/crash_segv"
    [ "$status" -eq 4 ]
    [[ "$output" == *SEGV* ]]
    verdict dies 'v["verdict"] == "target_failed" and v["exit_code"] == 4'
    valid_verdict dies
}

@test "A07 a job that ends with 0 before its time is completed, and too short to judge: exit 3" {
    run "$SEEP" run -q --name short --duration 20s -- true
    [ "$status" -eq 3 ]
    verdict short 'v["verdict"] == "inconclusive"'
    valid_verdict short
    [ -s "$SEEP_RESULTS/short/report.html" ]
}

@test "A08 a service that ends by itself has failed: exit 4" {
    run "$SEEP" run -q --duration 20s -o target.life=service -- sleep 0.3
    [ "$status" -eq 4 ]
}

@test "A09 a results directory that cannot be written: exit 6, a sentence" {
    : >file
    run "$SEEP" run -q --results file/inside -- true
    [ "$status" -eq 6 ]
    [[ "$output" == *file* ]]
}

@test "A10 a name that is taken: exit 2" {
    "$SEEP" run -q --name twice --duration 1s -- true || true
    run "$SEEP" run -q --name twice --duration 1s -- true
    [ "$status" -eq 2 ]
    [[ "$output" == *twice* ]]
}

@test "A11 what the target prints is captured; with tee it is shown, with inherit it is not taken" {
    "$SEEP" run -q --name log --duration 1s -- sh -c 'echo to-the-log; echo and-err >&2' >out.txt || true
    grep -q to-the-log "$SEEP_RESULTS/log/target.log"
    grep -q and-err "$SEEP_RESULTS/log/target.log"
    ! grep -q to-the-log out.txt
    "$SEEP" run -q --name tee --duration 1s --output tee -- sh -c 'echo to-both' >out.txt 2>&1 || true
    grep -q to-both out.txt
    grep -q to-both "$SEEP_RESULTS/tee/target.log"
    "$SEEP" run -q --name inherit --duration 1s --output inherit -- sh -c 'echo on-terminal' >out.txt || true
    grep -q on-terminal out.txt
}

@test "A12 profiles: an error has file, line, column and a caret, exit 2" {
    printf 'version: 1\nname: bad\nrun:\n  duration: 12\n' >bad.yaml
    run "$SEEP" run -p bad.yaml -- true
    [ "$status" -eq 2 ]
    [[ "$output" == *bad.yaml:4:* ]]
    [[ "$output" == *"^"* ]]
    run "$SEEP" profiles check bad.yaml
    [ "$status" -eq 2 ]
}

@test "A13 profiles: an unknown metric in a gate is an error before the target starts, exit 2" {
    printf 'version: 1\nname: bad\ngates:\n  - heap.grwth < 1MB/h\n' >bad.yaml
    run "$SEEP" run -p bad.yaml -- touch started
    [ "$status" -eq 2 ]
    [[ "$output" == *grwth* ]]
    [ ! -e started ]
    printf 'version: 1\nname: bad\nrequirements:\n  memory: [heap.grwth < 1MB/h]\n' >bad.yaml
    run "$SEEP" profiles check bad.yaml
    [ "$status" -eq 2 ]
    [[ $output == *bad.yaml:4:* ]]
}

@test "A14 shipped profiles are listed, shown and good" {
    for p in "$SEEP_SOURCE"/profiles/*.yaml; do
        p=$(basename "$p" .yaml)
        "$SEEP" profiles | grep -q "^ *$p "
        local own=()
        case "$p" in fault-*) # the dependency and its proxy are the user's
            own=(-o 'dependencies={"backend": {"command": ["sleep", "9"]}}' -o 'proxies={"backend": {"listen": "127.0.0.1:2", "to": "127.0.0.1:1"}}') ;;
        esac
        "$SEEP" profiles check "$p" -o vars.base_url=http://127.0.0.1:1 "${own[@]}"
    done
}

@test "A18 the page of requirements has a row for each, and names only what there is" {
    python3 "$SEEP_SOURCE/tests/lib/check_requirements.py" "$SEEP" "$SEEP_SOURCE"
}

@test "A15 overrides and durations reach the run" {
    run "$SEEP" run -q --name over -o run.duration=2s -o 'gates=["rss.total_growth < 1GB"]' -- sleep 10
    verdict over '[g["name"] for g in v["gates"]] == ["rss.total_growth"]'
}

@test "A16 runs are listed, the last one is found" {
    "$SEEP" run -q --name one --duration 1s -- true || true
    "$SEEP" run -q --name two --duration 1s -- true || true
    "$SEEP" runs | grep -q one
    "$SEEP" report last | grep -q two
    "$SEEP" report one -f json | python3 -c 'import json,sys; json.load(sys.stdin)'
    "$SEEP" report one -f csv >/dev/null
    "$SEEP" report one -f html -O page.html && grep -q '<html' page.html
}

@test "A17 an option that would say nothing here is refused, not passed over: exit 2" {
    local words
    while IFS= read -r words; do
        # shellcheck disable=SC2086
        run "$SEEP" run $words -- true
        [ "$status" -eq 2 ] || { echo "$words: $status $output"; return 1; }
        [[ "$output" == *"--variant"* ]] || { echo "$words: $output"; return 1; }
    done <<'TABLE'
--gate heap.growth<1MB/h
--rounds 2
--at-once
--instances a=2
--format json
--comparison out.html
--detach --variant a=./a.yaml --variant b=./b.yaml
--confirm --variant a=./a.yaml --variant b=./b.yaml
--baseline last --variant a=./a.yaml --variant b=./b.yaml
--output tee --variant a=./a.yaml --variant b=./b.yaml
TABLE
    [ ! -d "$SEEP_RESULTS" ]
    run "$SEEP" run --gate 'heap.growth < 1MB/h' -- true
    [[ "$output" == *"-o 'gates=[heap.growth < 1MB/h]'"* ]]
    run "$SEEP" run -q --duration 1s -o 'gates=[heap.growth < 1MB/h]' -- true # the way that is named
    [ "$status" -eq 3 ]
}
