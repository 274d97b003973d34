#!/usr/bin/env bats
# Releases signed off: checklists over real runs and real servers, seals, signatures, baselines, and everything that must
# not pass.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

# A short run that passes, of a program that is copied so that tests can change it: good NAME [OPTION...]
good() {
    local name=$1
    shift
    [ -e server ] || cp /usr/bin/sleep server
    "$SEEP" run -q -p "$WORK/short.yaml" --name "$name" "$@" -- ./server 1000 >"$name.out" 2>&1
}

short_profile() {
    cat >short.yaml <<'YAML'
version: 1
name: short
target: { life: service }
run: { duration: 5s, interval: 100ms, drain: 1s }
attribution: off
gates: [fd.growth < 100000/h, threads.growth < 100000/h]
shutdown: { signal: TERM, within: 10s, back_to_baseline: off }
YAML
}

list() { # list NAME REQUIREMENTS: a checklist for ./server
    printf 'version: 1\nname: %s\ntarget: ./server\nrequirements:\n%s\n' "$1" "$2" >"$1.yaml"
}

@test "Y01 a release is signed off by runs of this binary, sealed, kept, and verified until something changes" {
    short_profile
    cp /usr/bin/sleep server
    good one 3>&- &
    good two --duration 7s # ends last
    wait
    list rel '  - { name: soak, id: S0-26, run: { profile: short, within: 1d, at_least: 4s, runs: 2, shutdown: pass, gates: fd.growth } }
  - { name: word, manual: { by: Ann, date: 2026-01-31 } }'
    run "$SEEP" signoff rel.yaml --seal sealed.json
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == "PASS"*"all 2 requirements are met"* ]]
    [[ "$output" == *"2 of 2 runs, the newest two"* ]]
    python3 - "$SEEP_SOURCE/docs/schema/seep.signoff.1.json" <<'PY'
import hashlib, json, jsonschema, sys
d = json.load(open("sealed.json"))
jsonschema.validate(d, json.load(open(sys.argv[1])))
seal = d.pop("seal")["hash"]
text = json.dumps(d, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
assert hashlib.sha256(text.encode()).hexdigest() == seal
runs = d["requirements"][0]["runs"]
assert [r["run"] for r in runs] == ["two", "one"] and runs[0]["sha256"] == hashlib.sha256(open("server", "rb").read()).hexdigest()
PY
    "$SEEP" signoff --verify sealed.json
    "$SEEP" runs --prune --keep 1ms # sealed evidence stays
    [ -e results/one/run.db ] && [ -e results/two/run.db ]

    cp -r results/two results/copy # the same evidence twice
    run "$SEEP" signoff rel.yaml -o requirements.0.run.runs=3
    [ "$status" -eq 3 ]
    [[ "$output" == *"2 of 3 runs are there, and they are right; copies of them are no evidence of their own"* ]]
    rm -r results/copy

    sed 's/"status": "pass"/"status": "fail"/' sealed.json >forged.json
    run "$SEEP" signoff --verify forged.json
    [ "$status" -eq 1 ]
    [[ "$output" == *"DIFFERS  seal: the document was changed"* ]]
    sqlite3 results/one/run.db "update tick set late_ns = late_ns + 1 where idx = 3"
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 1 ]
    [[ "$output" == *"DIFFERS  run one: its database is not what it was"* ]]
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 1 ]
    [[ "$output" == *"The database of run one was edited after the run ended"* ]]
    rm -r results/one
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 3 ]
    echo >>server # another binary
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 3 ]
    [[ "$output" == *"all of other binaries than the one to be released"* ]]
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 1 ]
    [[ "$output" == *"DIFFERS  target: ./server is another file now"* ]]
}

@test "Y02 only a signature tells who sealed it" {
    command -v ssh-keygen >/dev/null || skip "ssh-keygen is not installed"
    echo released >server
    list rel '  - { name: word, manual: { by: Ann, date: 2026-01-31 } }'
    ssh-keygen -q -t ed25519 -N '' -f key -C release
    ssh-keygen -q -t ed25519 -N '' -f other -C other
    echo "release@example.org $(cat key.pub)" >allowed
    "$SEEP" signoff rel.yaml -q -f json -O sealed.json --sign key
    "$SEEP" signoff rel.yaml -q -f json -O sealed.json --sign key # again: the old signature is replaced
    run "$SEEP" signoff --verify sealed.json --signers allowed --signer release@example.org
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *'right    signature: Good "seep" signature for release@example.org'* ]]
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 0 ]
    [[ "$output" == *"whose key that is was not asked"* ]]
    # Forged and sealed anew: the seal is right, the signature is not.
    "$SEEP" signoff rel.yaml -q -f json -O forged.json -o name=forged
    cp sealed.json.sig forged.json.sig
    run "$SEEP" signoff --verify forged.json --signers allowed --signer release@example.org
    [ "$status" -eq 1 ]
    [[ "$output" == *"right    seal"* && "$output" == *"DIFFERS  signature"* ]]
    "$SEEP" signoff rel.yaml -q -f json -O forged.json --sign other
    run "$SEEP" signoff --verify forged.json --signers allowed --signer release@example.org
    [ "$status" -eq 1 ]
    rm forged.json.sig
    run "$SEEP" signoff --verify forged.json --signers allowed --signer release@example.org
    [ "$status" -eq 1 ]
    run "$SEEP" signoff --verify forged.json
    [ "$status" -eq 0 ]
    [[ "$output" == *"nothing is claimed against forgery"* ]]
    run "$SEEP" signoff rel.yaml --sign key
    [ "$status" -eq 2 ]
    run "$SEEP" signoff rel.yaml -q --seal x.json --sign nosuchkey
    [ "$status" -eq 2 ]
}

@test "Y03 checks that hang, flood, crash or cannot run are told within their time" {
    list bad '  - { name: hang, command: { run: [sh, -c, "sleep 1000 & setsid sleep 1000; sleep 1000"], within: 1s } }
  - { name: flood, command: { run: [cat, /dev/zero], within: 20s } }
  - { name: crash, command: [sh, -c, "kill -SEGV $$"] }
  - { name: status, command: { run: [sh, -c, "exit 9"], exit: 0 } }
  - { name: absent, command: ./nosuch }
  - { name: text, command: { run: [echo, no], equals: "yes" } }
  - { name: refused, tcp: "127.0.0.1:1" }
  - { name: silent, http: { url: "http://127.0.0.1:1/", within: 1s } }
  - { name: secret, http: "http://user:hunter2@127.0.0.1:1/" }
  - { name: unset, command: [echo, "${env:SEEP_NOT_SET}"] }
  - { name: old, file: { path: /etc/passwd, max_age: 1ms } }
  - { name: future, file: { path: future, max_age: 1h } }
  - { name: query, sql: { sqlite: nosuch.db, query: "select 1" } }
  - { name: refuses, sql: { psql: "host=127.0.0.1 port=1 password=hunter2", query: "select 1", within: 2s } }'
    local begun=$SECONDS
    touch -d "now + 2 days" future
    run "$SEEP" signoff bad.yaml -f json
    [ "$status" -eq 1 ]
    [ $((SECONDS - begun)) -lt 30 ]
    echo "$output" >bad.json
    python3 - <<'PY'
import json
d = json.load(open("bad.json"))
by = {r["name"]: (r["status"], r["evidence"]) for r in d["requirements"]}
want = {"hang": ("fail", "did not end within"), "flood": ("fail", "wrote more than"), "crash": ("fail", "signal 11"),
        "status": ("fail", "exited with 9"), "absent": ("missing", "No such file"), "text": ("fail", "it says 'no'"),
        "refused": ("fail", "refused"), "silent": ("fail", "does not answer"), "secret": ("fail", "does not answer"),
        "unset": ("missing", "SEEP_NOT_SET"), "old": ("fail", "was changed"),
        "future": ("fail", "in the future"), "query": ("fail", "exited with"),
        "refuses": ("fail", "exited with")}
for name, (status, text) in want.items():
    assert by[name][0] == status and text in by[name][1], (name, by[name])
PY
    ! grep -q hunter2 bad.json
}

@test "Y04 what is no checklist, no run and no sealed file is refused with its place" {
    run "$SEEP" signoff nosuch.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"The checklist 'nosuch.yaml' cannot be opened"* ]]
    printf 'version: 1\nrequirements:\n  - { name: a, htpt: x }\n' >typo.yaml
    run "$SEEP" signoff typo.yaml
    [ "$status" -eq 2 ]
    [[ "$output" == *"typo.yaml:3:16: There is no key 'htpt' in 'requirements.0'; did you mean 'http'?"* ]]
    head -c 300000 /dev/zero | tr '\0' a >huge.yaml
    run "$SEEP" signoff huge.yaml
    [ "$status" -eq 2 ]
    list rel '  - { name: soak, run: { profile: short } }'
    cp /usr/bin/sleep server
    mkdir results
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 3 ]
    [[ "$output" == *"There is no run of profile short"* ]]
    rmdir results
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 6 ]
    echo '{}' >no.json
    run "$SEEP" signoff --verify no.json
    [ "$status" -eq 2 ]
    run "$SEEP" signoff --verify nosuch.json
    [ "$status" -eq 2 ]
    run "$SEEP" signoff
    [ "$status" -eq 2 ]
    "$SEEP" signoff --keys | grep -q '^requirements\[\]\.run\.max_gaps'
    local list
    for list in "$SEEP_SOURCE"/docs/checklists/*.yaml; do # shipped ones are read, and nothing of them passes here
        run "$SEEP" signoff -q "$list" -o target=./server -o vars.none=1 --results "$WORK"
        [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
    done
}

@test "Y05 a baseline is a ratchet: it does not loosen without a reason, and nothing of it is forgotten" {
    soak() { # soak NAME MEGABYTES
        "$SEEP" run -q -p "$WORK/mem.yaml" --name "$1" -- /usr/bin/python3 -c \
            "import time; x = b'x' * ($2 << 20); time.sleep(600)" >"$1.out" 2>&1 || cat "$1.out"
    }
    cat >mem.yaml <<'YAML'
version: 1
name: mem
target: { life: service }
run: { duration: 6s, interval: 100ms, drain: 1s }
attribution: off
gates: [fd.growth < 100000/h, { gate: "rss < 10%", vs: baseline }]
YAML
    sed -i 's/, { gate: "rss < 10%", vs: baseline }//' mem.yaml
    soak a 40 &
    soak b 41 &
    soak c 90 &
    wait
    "$SEEP" baseline set a
    "$SEEP" baseline set b
    run "$SEEP" baseline set c
    echo "$output"
    [ "$status" -eq 1 ]
    [[ "$output" == *"Run c is worse than baseline b: rss"* ]]
    run "$SEEP" baseline accept c
    [ "$status" -eq 2 ]
    "$SEEP" baseline accept c --reason "twice the cache, by design"
    run "$SEEP" compare baseline b
    echo "$output"
    [[ "$output" == *"base        c "* ]]
    run "$SEEP" baseline show
    echo "$output"
    [[ "$output" == *"mem  python3"*"accept  c  by "*": twice the cache, by design"*"set     b"*"set     a"* ]]
    "$SEEP" baseline show -f json | python3 -c 'import json, sys; b = json.load(sys.stdin)["baselines"]; assert b[0]["run"] == "c" and len(b[0]["history"]) == 3'
    run "$SEEP" runs --prune --keep 1ms
    [ -e results/a/run.db ] && [ -e results/c/run.db ]

    sed -i 's/by design/by mistake/' results/baselines.json
    run "$SEEP" baseline set b
    [ "$status" -eq 6 ]
    [[ "$output" == *"changed by hand"* ]]
    mv results/baselines.json away
    run "$SEEP" baseline set b
    [ "$status" -eq 1 ]
    [[ "$output" == *"was a baseline of profile mem, and the history says nothing of it"* ]]
    run "$SEEP" baseline set nosuch
    [ "$status" -eq 2 ]
    sqlite3 results/b/run.db "delete from tick where idx = 9"
    run "$SEEP" baseline accept b --reason x
    [ "$status" -eq 6 ]
    [[ "$output" == *"was edited"* ]]
}

# The six readiness items on a real database with a real backup, a real service, and its own shutdowns.
@test "Y06 database indexes, pooling, monitoring, log rotation, backup and restore, graceful shutdown" {
    local bin port web as=() runs=() list="$SEEP_SOURCE/docs/checklists/readiness.yaml"
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [ -n "$bin" ] || skip "PostgreSQL is not installed"
    port=$(free_port)
    mkdir pg sock
    if [ "$(id -u)" = 0 ]; then
        chmod 755 "$WORK"
        chown postgres pg sock
        as=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    else
        id -un >/dev/null 2>&1 || skip "PostgreSQL needs a user with a name, and $(id -u) has none"
    fi
    "${as[@]}" "$bin/initdb" -D "$WORK/pg" -A trust -U postgres -N >/dev/null
    "${as[@]}" "$bin/postgres" -D "$WORK/pg" -p "$port" -h 127.0.0.1 -k "$WORK/sock" -c fsync=off >pg.log 2>&1 3>&- &
    local server=$! at="postgresql://postgres@127.0.0.1:$port"
    wait_for 20 psql -q -d "$at/postgres" -c 'select 1' >/dev/null 2>&1
    psql -q -d "$at/postgres" -c 'create database app'
    psql -q -d "$at/app" -c 'create table customers(id int primary key)' \
        -c 'create table orders(id int primary key, customer int references customers(id))' \
        -c 'insert into customers values (1)' -c 'insert into orders values (1, 1)'
    "$bin/pg_dump" -Fc -d "$at/app" -f app.dump
    echo now >server.log
    echo before >server.log.1
    web=$(free_port)
    cp "$TARGETS/demo_service" server
    local i
    for i in 1 2 3; do # what they are asked for is how they end
        local p
        p=$(free_port)
        "$SEEP" run -q -p demo --name "d$i" --duration 3s -o run.drain=1s -o "vars.base_url=http://127.0.0.1:$p" -- \
            ./server --port "$p" >/dev/null 2>&1 3>&- &
        runs+=($!)
    done
    wait "${runs[@]}" || true
    ./server --port "$web" >/dev/null 2>&1 3>&- &
    local service=$!
    wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$web/health"
    sign() {
        run "$SEEP" signoff -q "$list" -o "vars.base_url=http://127.0.0.1:$web" -o "vars.server=$at" -o "vars.db=$at/app" \
            -o "vars.log=$WORK/server.log" -o "vars.backup=$WORK/app.dump" -o vars.profile=demo "$@"
        echo "$output"
    }
    sign # the foreign key has no index yet
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Database indexes"* && "$output" == *"it says '1' and not '0'"* ]]
    psql -q -d "$at/app" -c 'create index on orders(customer)'
    sign -f html -O ready.html
    [ "$status" -eq 0 ]
    [ "$(grep -c '<tr>' ready.html)" -ge 8 ]
    ! grep -qE '<script|onload|src=' ready.html
    sign
    [[ "$output" == *"all 8 requirements are met"* && "$output" == *"3 of 3 runs, the newest d3"* ]]
    truncate -s 1200 app.dump # a backup that cannot be restored
    rm server.log.1
    kill "$service" && wait "$service" || true
    sign
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Restore"* && "$output" == *"FAIL     Log rotation"* && "$output" == *"FAIL     Monitoring"* ]]
    [ "$(psql -X -A -t -d "$at/postgres" -c "select count(*) from pg_database where datname = 'seep_restore'")" = 0 ]
    kill "$server"
    wait "$server" || true
}
