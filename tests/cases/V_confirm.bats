#!/usr/bin/env bats
# Leaks confirmed under valgrind, and a valgrind that is absent, hangs, crashes or floods.
load ../lib/seep.bash
setup() {
    seep_setup
    export TMPDIR=$WORK/tmp
    mkdir "$TMPDIR"
    chmod 755 "$WORK" "$TMPDIR" # as root, a directory that workers without its rights cannot reach is not taken
}
teardown() { seep_teardown; }

soak() { # soak NAME COMMAND...: leaks for a short while, in the background
    local name=$1
    shift
    decide "$name" --duration 9s --interval 150ms -- "$@" >"$name.out" 2>&1 3>&- &
}

fact() { # fact FILE PYTHON-EXPRESSION over the answer c and its stacks s
    python3 - "$1" "$2" "$SEEP_SOURCE/docs/schema/seep.confirm.1.json" <<'PY'
import json, jsonschema, sys
c = json.load(open(sys.argv[1]))
jsonschema.validate(c, json.load(open(sys.argv[3])))
s = {x["function"]: x["status"] for x in c["stacks"]}
assert eval(sys.argv[2]), (c["verdict"], c["reason_text"], c["stacks"])
PY
}

@test "V01 lost and reachable growth are confirmed in C and C++, kept with the run, and nothing is left" {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    soak lost "$TARGETS/why_lost"
    soak list "$TARGETS/why_list"
    soak cxx "$TARGETS/leak_cxx" 20000 60
    soak fixed "$TARGETS/leak_c" 0 60
    # Without any name of its own, and as children of a shell that leaves them behind when it is stopped.
    strip -o bare "$TARGETS/why_lost"
    soak bare sh -c './bare & ./bare & wait'
    wait
    "$SEEP" confirm lost --for 4s -f json -O lost.json &
    "$SEEP" confirm list --for 4s --growth --dhat -f json -O list.json &
    wait
    fact lost.json 's["record_new"] == "lost" and c["verdict"] == "confirmed" and c["looks"] == 3 and c["final_report"] == "whole"'
    fact list.json 's["entry_new"] == "reachable_growth" and c["stacks"][0]["grew_bytes"] > 10000'
    fact list.json 'len(c["massif"]["points"]) > 3 and c["massif"]["points"][-1]["heap_bytes"] > c["massif"]["points"][1]["heap_bytes"]'
    # DHAT: all that the stack allocated is there at the end, and nothing else holds as much.
    fact list.json 'c["dhat"]["reason"] is None and [p["instructions"] for p in c["dhat"]["points"]] == sorted(p["instructions"] for p in c["dhat"]["points"])'
    fact list.json 'all(p["where"] == "entry_new" and p["end_bytes"] == p["total_bytes"] > 10000 and p["life_instructions"] > 0 for p in c["dhat"]["paths"][:1])'
    fact list.json 'c["dhat"]["points"][-1]["heap_bytes"] >= c["dhat"]["paths"][0]["end_bytes"] and c["dhat"]["processes"] == 1'
    fact lost.json 'c["dhat"] is None'
    "$SEEP" confirm fixed --for 2s >fixed.txt &
    local fixed=$!
    run "$SEEP" confirm cxx --for 4s
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == "CONFIRMED "*"confirmed growth  shop::history::remember"* ]]
    wait "$fixed"
    "$SEEP" confirm bare --for 4s -f json -O bare.json
    fact bare.json 'c["verdict"] == "confirmed" and c["processes"] == 3 and c["final_report"] == "whole" and all(x["status"] == "lost" for x in c["stacks"])'
    grep -q "^NOTHING TO CONFIRM  no call stack of the run grows" fixed.txt
    run "$SEEP" report lost
    [[ "$output" == *"valgrind: "*" blocks are lost"* ]]
    "$SEEP" report lost -f json >report.json
    python3 - "$SEEP_SOURCE/docs/schema/seep.verdict.1.json" <<'PY'
import json, jsonschema, sys
v = json.load(open("report.json"))
jsonschema.validate(v, json.load(open(sys.argv[1])))
assert v["confirm"]["verdict"] == "confirmed" and v["stacks"][0]["confirmed"]["status"] == "lost"
PY
    "$SEEP" report lost --rejudge # the run's own verdict is what it was
    [ -z "$(ls -A "$TMPDIR")" ]
}

@test "V05 a load by HTTP: workers that forked and gave up their rights, through a proxy to a dependency; nginx; suppressions" {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    command -v redis-server >/dev/null || skip "redis-server is not installed"
    local port cache proxy web user=0 jobs=() job bad=0
    port=$(free_port)
    cache=$(free_port)
    proxy=$(free_port)
    web=$(free_port)
    [ "$(id -u)" -ne 0 ] || user=65534
    cat >prefork.yaml <<YAML
version: 1
name: prefork
target:
  life: service
  command: [$TARGETS/prefork_http, "$port", "$proxy", "$user"]
  cwd: /
  ready: { http: "http://127.0.0.1:$port/health", within: 20s }
dependencies:
  redis: { command: [redis-server, --port, "$cache", --save, ""], ready: { tcp: "127.0.0.1:$cache", within: 20s } }
proxies:
  cache: { listen: "127.0.0.1:$proxy", to: "127.0.0.1:$cache" }
run: { duration: 7s, interval: 200ms, drain: 1s }
load: { rate: 300/s, connections: 2, scenarios: [ { name: page, request: "http://127.0.0.1:$port/a", expect: { status: 200 } } ] }
shutdown: { back_to_baseline: off }
confirm: { for: 4s, scale: 5 }
YAML
    mkdir -p www/logs
    printf 'daemon off;\nworker_processes 2;\npid %s/www/pid;\nerror_log stderr warn;\nevents {}\nhttp { access_log off; client_body_temp_path %s/www/b; proxy_temp_path %s/www/p; fastcgi_temp_path %s/www/f; uwsgi_temp_path %s/www/u; scgi_temp_path %s/www/s; server { listen 127.0.0.1:%s; location / { return 200 page; } } }\n' \
        "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$WORK" "$web" >www/nginx.conf
    cat >nginx.yaml <<YAML
version: 1
name: nginx
target: { life: service, command: [nginx, -p, "$WORK/www", -c, "$WORK/www/nginx.conf"], ready: { http: "http://127.0.0.1:$web/", within: 20s } }
run: { duration: 6s, interval: 200ms, drain: 1s }
load: { rate: 200/s, connections: 4, scenarios: [ { name: page, request: "http://127.0.0.1:$web/", expect: { status: 200 } } ] }
confirm: { for: 4s, scale: 5 }
YAML
    "$SEEP" run -q -p ./prefork.yaml --name prefork >prefork.out 2>&1 3>&- &
    jobs+=($!)
    if command -v nginx >/dev/null; then
        "$SEEP" run -q -p ./nginx.yaml --name nginx >nginx.out 2>&1 3>&- &
        jobs+=($!)
    fi
    wait "${jobs[@]}" || true
    head -5 prefork.out
    printf '{\n keep\n Memcheck:Leak\n match-leak-kinds: all\n fun:calloc\n fun:keep\n}\n' >ours.supp
    "$SEEP" confirm prefork -f json -O prefork.json 3>&- || bad=1 &
    job=$!
    if command -v nginx >/dev/null; then "$SEEP" confirm nginx -f json -O nginx.json 3>&- || true; fi
    wait "$job"
    fact prefork.json 's["keep"] == "reachable_growth" and c["processes"] == 3 and c["looks"] == 3 and c["final_report"] == "whole" and c["reason"] is None and c["offered"] >= c["requests"] > 20 and c["slow_down"] > 0.5'
    if command -v nginx >/dev/null; then
        fact nginx.json 'c["reason"] is None and c["processes"] == 3 and c["requests"] > 20 and c["final_report"] == "whole" and c["took_s"] < 200'
    fi
    # The same with its stack suppressed, by a file named relative to where we are; and with one that is not there.
    for job in ours.supp absent.supp; do
        cp -r results/prefork "results/$job"
        sqlite3 "results/$job/run.db" "update meta set value = cast(json_set(value, '$.confirm.suppressions', json_array('$job')) as blob) where key = 'profile'"
        "$SEEP" confirm "$job" --for 3s -f json -O "$job.json" || true
    done
    fact ours.supp.json 's["keep"] == "not_seen" and "suppression" in c["stacks"][0]["reason"]'
    fact absent.supp.json 'c["reason"] == "error" and "absent.supp" in c["reason_text"] and s["keep"] == "not_seen"'
    # Faults and probes of the profile are done again, but for what valgrind cannot stand; each says what came of it.
    cp -r results/prefork results/faulty
    sqlite3 results/faulty/run.db "update meta set value = cast(json_set(value, '\$.faults', json('[
        {\"name\":\"slow\",\"at\":\"1s\",\"for\":\"1s\",\"proxy\":\"cache\",\"toxic\":\"latency\",\"latency\":\"5ms\"},
        {\"name\":\"frozen\",\"at\":\"2s\",\"for\":\"500ms\",\"pause\":\"redis\"},
        {\"name\":\"again\",\"at\":\"4s\",\"restart\":\"redis\"},
        {\"name\":\"stopped\",\"at\":\"2s\",\"for\":\"500ms\",\"pause\":\"target\"},
        {\"name\":\"killed\",\"at\":\"3s\",\"kill\":\"target\"},
        {\"name\":\"late\",\"at\":\"6s\",\"for\":\"900ms\",\"pause\":\"redis\"}]'), '\$.probes', json('[
        {\"name\":\"port\",\"tcp\":\"127.0.0.1:$port\",\"when\":\"edges\"},
        {\"name\":\"never\",\"command\":[\"false\"],\"when\":\"continuous\",\"every\":\"100ms\"}]')) as blob) where key = 'profile'"
    "$SEEP" confirm faulty --for 4s -f json -O faulty.json || true
    fact faulty.json '{f["name"]: f["times"] for f in c["faults"]} == {"slow": 1, "frozen": 1, "again": 1, "stopped": 1, "killed": 0, "late": 0}'
    fact faulty.json '["process" in f["reason"] for f in c["faults"] if f["name"] == "killed"] == [True] and all(f["reason"] is None for f in c["faults"][:4])'
    fact faulty.json '{p["name"]: (p["runs"] > 0, p["failures"] == p["runs"]) for p in c["probes"]} == {"port": (True, False), "never": (True, True)}'
    run "$SEEP" confirm faulty --for 1s # too short for any that lasts
    [[ "$output" == *"fault   killed. Not replayed: memcheck's books end with the process"* ]]
    [ -z "$(ls -A "$TMPDIR")" ]
}

@test "V02 redis by its protocol: keys that are never deleted grow, and memcheck finds them held" {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    command -v redis-server >/dev/null || skip "redis-server is not installed"
    local port
    port=$(free_port)
    cat >drive.py <<'PY'
import socket, sys, time
n = 0
while True:
    try:
        s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)
        while True:
            v = b"x" * 900
            s.sendall(b"*3\r\n$3\r\nSET\r\n$8\r\n%08d\r\n$%d\r\n%s\r\n" % (n, len(v), v))
            s.recv(100)
            n += 1
            time.sleep(0.003)
    except OSError:
        time.sleep(0.1)
PY
    cat >redis.yaml <<YAML
version: 1
name: redis
target:
  life: service
  command: [redis-server, --port, "$port", --save, "", --appendonly, "no", --io-threads, "1", --activerehashing, "no"]
  ready: { tcp: "127.0.0.1:$port", within: 20s }
run: { duration: 11s, interval: 250ms }
shutdown: { within: 10s, back_to_baseline: off }
confirm: { for: 7s, scale: 5, memory: 2GiB }
YAML
    python3 drive.py "$port" 3>&- &
    local driver=$!
    "$SEEP" run -q -p ./redis.yaml --name redis >redis.out 2>&1 || true
    head -8 redis.out
    "$SEEP" confirm redis -f json -O redis.json || true
    kill "$driver"
    wait "$driver" || true
    fact redis.json 'c["reason"] is None and c["looks"] == 3 and "reachable_growth" in s.values()'
    [ -z "$(ls -A "$TMPDIR")" ]
}

@test "V06 memcached, which ends when it cannot set its limit of descriptors, has under valgrind the one it had in the run" {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    command -v memcached >/dev/null || skip "memcached is not installed"
    local port user=()
    port=$(free_port)
    [ "$(id -u)" -ne 0 ] || user=(-u, root,)
    cat >memcached.yaml <<YAML
version: 1
name: memcached
target: { life: service, command: [memcached, ${user[*]} -p, "$port", -l, 127.0.0.1, -c, "700"], ready: { tcp: "127.0.0.1:$port", within: 20s } }
run: { duration: 4s, interval: 200ms, drain: 500ms }
load: { rate: 100/s, connections: 2, scenarios: [ { name: set, tcp: { address: "127.0.0.1:$port", send: "set k\${gen:int(1,1000000)} 0 0 100\${hex:0d0a}\${gen:text(100)}\${hex:0d0a}", framing: line } } ] }
shutdown: { back_to_baseline: off }
confirm: { for: 2s, scale: 2 }
YAML
    "$SEEP" run -q -p ./memcached.yaml --name memcached >memcached.out 2>&1 3>&- || true
    head -5 memcached.out
    "$SEEP" confirm memcached --dhat -f json -O memcached.json 3>&- || true
    fact memcached.json 'c["reason"] is None and c["requests"] > 10 and c["final_report"] == "whole" and c["dhat"]["processes"] == 1 and c["dhat"]["total_blocks"] > 10'
    [ -z "$(ls -A "$TMPDIR")" ]
}

# A valgrind of our own making: fake DIR SCRIPT.
fake() {
    mkdir -p "$1"
    printf '#!/bin/sh\n[ "$1" = --version ] && { echo valgrind-0.0; exit 0; }\nfor a; do case "$a" in --xml-file=*) xml=${a#*=};; --log-file=*) log=${a#*=};; esac; done\nxml=${xml%%%%%%p}$$ log=${log%%%%%%p}$$\n%s\n' "$2" >"$1/valgrind"
    chmod +x "$1/valgrind"
}

not_confirmed() { # not_confirmed NAME REASON SCRIPT [OPTION...]: with a copy of the run, so that several go side by side
    local name=$1 reason=$2 script=$3 begun=$SECONDS status=0
    shift 3
    fake "$WORK/$name/bin" "$script"
    mkdir "$WORK/$name/tmp"
    cp -r results/lost "results/$name"
    TMPDIR=$WORK/$name/tmp PATH=$WORK/$name/bin:$PATH "$SEEP" confirm "$name" --for 1s -f json "$@" >"$name.json" || status=$?
    [ "$status" -eq 3 ] || { echo "$name: status $status"; return 1; }
    [ $((SECONDS - begun)) -lt 200 ] || { echo "$name: took $((SECONDS - begun)) s"; return 1; }
    fact "$name.json" "c['reason'] == '$reason' and c['verdict'] == 'not_confirmed' and s['record_new'] == 'not_seen'" || return 1
    [ -z "$(ls -A "$WORK/$name/tmp")" ] || { echo "$name: left files"; return 1; }
}

@test "V03 what goes wrong with valgrind is not confirmed, with its reason, in bounded time, and never clean" {
    soak lost "$TARGETS/why_lost"
    wait
    local head='<?xml version="1.0"?><valgrindoutput><protocoltool>memcheck</protocoltool>' pids=() pid bad=0
    not_confirmed floods output 'cat /dev/zero >$xml' --for 30s 3>&- & pids+=($!)
    not_confirmed hangs no_report 'sleep 1000' 3>&- & pids+=($!)
    not_confirmed refuses no_report 'exit 1' 3>&- & pids+=($!)
    not_confirmed unknown unsupported_instruction "echo '$head' >\$xml; echo 'vex amd64->IR: unhandled instruction bytes: 0x62' >\$log; kill -ILL \$\$" 3>&- & pids+=($!)
    not_confirmed broken valgrind_crashed "echo '$head' >\$xml; echo \"valgrind: the 'impossible' happened:\" >\$log; exit 1" 3>&- & pids+=($!)
    not_confirmed half cut "echo '$head<error><kind>Leak_Def' >\$xml; sleep 1000 & wait" 3>&- & pids+=($!)
    not_confirmed dies crashed "echo '$head<fatal_signal><signo>11</signo></fatal_signal></valgrindoutput>' >\$xml; kill -SEGV \$\$" 3>&- & pids+=($!)
    not_confirmed stays no_end 'trap "" TERM; setsid sleep 1000 & while :; do sleep 1; done' --scale 1 3>&- & pids+=($!)
    for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
    [ "$bad" -eq 0 ]
    # Absent: a PATH without it.
    mkdir bare
    run env PATH="$WORK/bare" "$SEEP" confirm lost --for 1s
    [ "$status" -eq 3 ]
    [[ "$output" == *"NOT CONFIRMED"*"valgrind cannot be used"* ]]
    run "$SEEP" report lost
    [[ "$output" == *"valgrind cannot be used"* ]]
}

@test "V04 limits of memory and time, secrets, and runs that cannot be replayed" {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    "$SEEP" run -q --name tight --duration 8s --interval 150ms -o confirm.memory=20MB -- "$TARGETS/why_lost" >/dev/null 2>&1 3>&- &
    "$SEEP" run -q --name quick --duration 8s --interval 150ms -o confirm.within=1s -- "$TARGETS/why_lost" >/dev/null 2>&1 3>&- &
    "$SEEP" run -q --name secret --duration 2s -- "$TARGETS/why_lost" --password=hunter2 >/dev/null 2>&1 || true
    wait
    "$SEEP" confirm tight --for 5s >tight.txt 3>&- &
    local tight=$! status=0
    run "$SEEP" confirm quick --for 5s
    [ "$status" -eq 3 ]
    [[ "$output" == *"(confirm.within)"* ]]
    status=0
    wait "$tight" || status=$?
    [ "$status" -eq 3 ]
    grep -q 'more than 20 MB (confirm.memory)' tight.txt
    run "$SEEP" confirm secret
    [ "$status" -eq 2 ]
    [[ "$output" == *"give it again"* ]]
    run "$SEEP" confirm secret --for 1s -- "$TARGETS/why_lost" --password=hunter2
    [ "$status" -ne 2 ]
    run "$SEEP" confirm nosuch
    [ "$status" -eq 2 ]
    run "$SEEP" confirm tight --scale x
    [ "$status" -eq 2 ]
    # Interrupted while the target works: nothing of it stays, and no answer.
    "$SEEP" confirm secret --for 100s -q -- "$TARGETS/prefork_http" "$(free_port)" >stopped.txt 2>&1 3>&- &
    local stopped=$!
    wait_for 60 sh -c 'ls "$TMPDIR"/*/xml.* 2>/dev/null | grep -q .'
    kill -TERM "$stopped"
    status=0
    wait "$stopped" || status=$?
    [ "$status" -eq 143 ]
    grep -q "interrupted" stopped.txt
    run "$SEEP" run --confirm --detach -- "$TARGETS/why_lost"
    [ "$status" -eq 2 ]
    [ -z "$(ls -A "$TMPDIR")" ]
}
