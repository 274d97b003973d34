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
run: { duration: 6s, interval: 60ms, drain: 1s }
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

    cp results/two/verdict.json kept.json # the copy that a reader of the directory would believe
    sed -i 's/"samples": [0-9]*/"samples": 99999/' results/two/verdict.json
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 1 ]
    [[ "$output" == *"DIFFERS  run two: its verdict.json is not what it stored"* ]]
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 1 ]
    [[ "$output" == *"verdict.json of run two was edited"* ]]
    mv kept.json results/two/verdict.json
    mv results/two results/later # a directory under another name is told as what it is
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 0 ]
    "$SEEP" signoff rel.yaml -f json | python3 -c 'import json, sys; assert [(r["run"], r.get("made_as")) for r in json.load(sys.stdin)["requirements"][0]["runs"]] == [("later", "two"), ("one", None)]'
    run "$SEEP" signoff rel.yaml -o requirements.0.run.runs=1
    [[ "$output" == *"Run later (made as two): "* ]]
    mv results/one results/two # swapped: the one that was sealed as two is another
    mv results/later results/one
    run "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 1 ]
    [[ "$output" == *"DIFFERS  run two: its database is not what it was"* && "$output" == *"DIFFERS  run one: its database is not"* ]]
    mv results/one results/later
    mv results/two results/one
    mv results/later results/two
    "$SEEP" signoff --verify sealed.json

    mkfifo sealed.json.sig # nobody writes to it
    "$SEEP" signoff --verify sealed.json
    rm sealed.json.sig
    mv results/two/run.db two.db
    mkfifo results/two/run.db
    run timeout 20 "$SEEP" signoff --verify sealed.json
    [ "$status" -eq 3 ]
    [[ "$output" == *"open     run two: 'run.db' of the run is not a regular file"* ]]
    rm results/two/run.db
    head -c 30000 two.db >results/two/run.db # what it would have said is not known, and that is told
    run "$SEEP" signoff rel.yaml
    [ "$status" -eq 3 ]
    [[ "$output" == *"1 run cannot be read, the first is two: it has no profile"* ]]
    mv two.db results/two/run.db

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
  - { name: tells, command: [sh, -c, "echo it cannot be reached, password=hunter2; echo more; exit 3"] }
  - { name: absent, command: ./nosuch }
  - { name: text, command: { run: [echo, no], equals: "yes" } }
  - { name: nul, command: { run: [printf, "yes\\0no"], equals: "yes" } }
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
    [ $((SECONDS - begun)) -lt 200 ]
    echo "$output" >bad.json
    python3 - <<'PY'
import json
d = json.load(open("bad.json"))
by = {r["name"]: (r["status"], r["evidence"]) for r in d["requirements"]}
want = {"hang": ("fail", "did not end within"), "flood": ("fail", "wrote more than"), "crash": ("fail", "signal 11"),
        "status": ("fail", "exited with 9"), "tells": ("fail", "exited with 3 and not 0: it cannot be reached, "),
        "absent": ("missing", "No such file"), "text": ("fail", "it says 'no'"),
        "nul": ("fail", "a NUL byte"),
        "refused": ("fail", "refused"), "silent": ("fail", "does not answer"), "secret": ("fail", "does not answer"),
        "unset": ("missing", "SEEP_NOT_SET"), "old": ("fail", "was changed"),
        "future": ("fail", "in the future"), "query": ("fail", "exited with"),
        "refuses": ("fail", "exited with")}
for name, (status, text) in want.items():
    assert by[name][0] == status and text in by[name][1], (name, by[name])
PY
    ! grep -q hunter2 bad.json
}

@test "Y08 interrupted, a sign-off signs nothing, and no check outlives it" {
    echo released >server
    list slow "  - { name: slow, command: { run: [sh, -c, 'echo \$\$ >begun; sleep 1000 & wait'], within: 10m } }"
    "$SEEP" signoff slow.yaml --seal sealed.json >slow.out 2>&1 3>&- &
    local signoff=$! status=0
    wait_for 60 test -s begun
    kill -TERM "$signoff"
    wait "$signoff" || status=$?
    [ "$status" -eq 143 ]
    grep -q "interrupted: nothing is signed off" slow.out
    [ ! -e sealed.json ]
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
run: { duration: 6s, interval: 60ms, drain: 1s }
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
    python3 - "$SEEP_SOURCE/docs/schema/seep.baselines.1.json" results/baselines.json <<'PY'
import json, jsonschema, sys
schema, kept = (json.load(open(p)) for p in sys.argv[1:])
jsonschema.validate(kept, schema)
kept["baselines"][0]["history"][-1]["reason"] = None  # an accept has one
try:
    jsonschema.validate(kept, schema)
except jsonschema.ValidationError:
    pass
else:
    raise AssertionError("an accept without a reason is valid")
PY
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

# A PostgreSQL of our own with a database app, asked at $at: $bin is where its programs are, $server who to end.
database() { # database [OPTION...]
    local port as=()
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
    "${as[@]}" "$bin/postgres" -D "$WORK/pg" -p "$port" -h 127.0.0.1 -k "$WORK/sock" -c fsync=off "$@" >pg.log 2>&1 3>&- &
    server=$! at="postgresql://postgres@127.0.0.1:$port"
    wait_for 20 psql -q -d "$at/postgres" -c 'select 1' >/dev/null 2>&1
    psql -q -d "$at/postgres" -c 'create database app'
}

# An nginx that writes server.log, put away once by logrotate: $logger is who to end.
logged() {
    local port
    port=$(free_port)
    mkdir www
    chmod 755 "$WORK"
    cat >www.conf <<CONF
daemon off; master_process off; pid $WORK/www.pid; error_log stderr; events {}
http { access_log $WORK/server.log; client_body_temp_path $WORK/www/b; proxy_temp_path $WORK/www/p; fastcgi_temp_path $WORK/www/f;
       uwsgi_temp_path $WORK/www/u; scgi_temp_path $WORK/www/s; server { listen 127.0.0.1:$port; return 200 page; } }
CONF
    printf '%s {\n  rotate 3\n  size 1\n  postrotate\n    kill -USR1 $(cat %s)\n  endscript\n}\n' "$WORK/server.log" "$WORK/www.pid" >rotate.conf
    chmod 644 rotate.conf
    nginx -e stderr -c "$WORK/www.conf" >www.out 2>&1 3>&- &
    logger=$!
    wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$port/before"
    logrotate -f -s "$WORK/rotate.state" rotate.conf
    wait_for 10 test -e server.log
    curl -s -o /dev/null "http://127.0.0.1:$port/after"
    wait_for 10 grep -q /after server.log
    grep -q /before server.log.1
}

# The six readiness items on a real database with a real backup, a real service, and its own shutdowns.
@test "Y06 database indexes, pooling, monitoring, log rotation, backup and restore, graceful shutdown" {
    local bin server at logger web runs=() list="$SEEP_SOURCE/docs/checklists/readiness.yaml"
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [ -n "$bin" ] || skip "PostgreSQL is not installed"
    command -v nginx >/dev/null && command -v logrotate >/dev/null || skip "nginx or logrotate is not installed"
    database
    psql -q -d "$at/app" -c 'create table customers(id int primary key)' \
        -c 'create table orders(id int primary key, customer int references customers(id))' \
        -c 'insert into customers values (1)' -c 'insert into orders values (1, 1)'
    "$bin/pg_dump" -Fc -d "$at/app" -f app.dump
    web=$(free_port)
    logged # an nginx that writes server.log, which logrotate puts away
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
            -o "vars.log=$WORK/server.log" -o "vars.logrotate=$WORK/rotate.conf" -o "vars.backup=$WORK/app.dump" \
            -o vars.profile=demo "$@"
        echo "$output"
    }
    sign # the foreign key has no index yet
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Database indexes"* && "$output" == *"it says '1' and not '0'"* ]]
    psql -q -d "$at/app" -c 'create index on orders(customer)'
    sign -f html -O ready.html
    [ "$status" -eq 0 ]
    [ "$(grep -c '<tr>' ready.html)" -ge 9 ]
    ! grep -qE '<script|onload|src=' ready.html
    sign
    [[ "$output" == *"all 9 requirements are met"* && "$output" == *"3 of 3 runs, the newest d3"* ]]
    truncate -s 1200 app.dump # a backup that cannot be restored
    rm server.log.1
    echo 'rotate {' >>rotate.conf
    kill "$service" && wait "$service" || true
    sign
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Restore"* && "$output" == *"FAIL     Log rotation"$'\n'* && "$output" == *"FAIL     Log rotation is set up"* && "$output" == *"FAIL     Monitoring"* ]]
    [ "$(psql -X -A -t -d "$at/postgres" -c "select count(*) from pg_database where datname = 'seep_restore'")" = 0 ]
    kill "$server" "$logger"
    wait "$server" "$logger" || true
}

# nginx as the service of all the checklists: answer PORT > its configuration
shop() {
    cat <<CONF
daemon off; master_process off; pid $WORK/$1.pid; error_log stderr crit; events { worker_connections 256; }
http {
    access_log off; default_type application/json;
    client_body_temp_path $WORK/tmp-b; proxy_temp_path $WORK/tmp-p; fastcgi_temp_path $WORK/tmp-f;
    uwsgi_temp_path $WORK/tmp-u; scgi_temp_path $WORK/tmp-s;
    keepalive_requests 1000000;
    upstream pool { server 127.0.0.1:${2:-$1}; server 127.0.0.1:${3:-$1}; }
    server { listen 127.0.0.1:${2:-$1}; return 200 one; }
    server { listen 127.0.0.1:${3:-$1}; return 200 two; }
    server {
        listen 127.0.0.1:$1;
        location = /health { add_header Cache-Control no-store; return 200 ok; }
        location = /metrics { return 200 "# TYPE up gauge\nup 1\n"; }
        location = /instance { proxy_pass http://pool; }
        location = /cached { add_header Cache-Control "max-age=60"; return 200 kept; }
        location = /auth/login { add_header Set-Cookie "session=s; Path=/"; return 200 '{"token":"t"}'; }
        location = /api/search { return 200 '{"result":{"data":{"programs":[1]}}}'; }
        location = /api/payment { return 200 '{"clientSecret":"c"}'; }
        location = /static/app.js { add_header Cache-Control "public, max-age=31536000, immutable"; return 200 js; }
        location = /images/logo.png { add_header Cache-Control "max-age=604800, stale-while-revalidate=86400"; return 200 png; }
        location = /api/programs { add_header Cache-Control "max-age=300, stale-while-revalidate=60"; add_header Vary Accept; return 200 p; }
        location = /api/providers { add_header Cache-Control "max-age=3600, stale-while-revalidate=300"; return 200 p; }
        location / { return 200 '{}'; }
    }
}
CONF
}

# soaked PROFILE NAME [OPTION...]: a shipped profile, made short, over an nginx of its own. On a machine that is busy with
# other things the load may come too late to decide anything: then once more, and again.
soaked() {
    local profile=$1 name=$2 port try
    shift 2
    for try in 1 2 3 4 5 6 7 8; do # the later ones have the machine more to themselves
        port=$(free_port)
        shop "$port" "$(free_port)" "$(free_port)" >"$name$try.conf"
        API_KEY=k LOAD_TEST_PASSWORD=p TEST_PRICE_ID=t "$SEEP" run -q -p "$profile" -p "$WORK/brief.yaml" "$@" --name "$name$try" \
            -o "vars.base_url=http://127.0.0.1:$port" -- nginx -e stderr -c "$WORK/$name$try.conf" >"$name.out" 2>&1 3>&- && return 0
        [ $? -eq 3 ] || break
    done
    cat "$name.out"
    return 1
}

# What the shipped checklists ask for, and nothing else: each is met, and each line fails when its evidence goes.
@test "Y07 every shipped checklist is met by runs of the shipped profiles, PostgreSQL and nginx, and by nothing less" {
    local bin server at web pids=() pid bad=0 lists="$SEEP_SOURCE/docs/checklists"
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [ -n "$bin" ] || skip "PostgreSQL is not installed"
    command -v nginx >/dev/null || skip "nginx is not installed"
    ls /usr/share/postgresql/*/extension/pg_stat_statements.control >/dev/null 2>&1 || skip "PostgreSQL has no pg_stat_statements"
    cat >brief.yaml <<'YAML'
version: 1
target: { ready: { http: "${base_url}/health", within: 20s } }
run: { duration: 4s, interval: 60ms, drain: 1s }
shutdown: { back_to_baseline: off }
YAML
    cat >memory.yaml <<'YAML'
version: 1
attribution: { mode: exact }
gates: [heap.growth < 100GB/h, stack.growth < 100GB/h, rss.growth < 100GB/h, rss.total_growth < 100MB]
YAML
    cat >faults.yaml <<'YAML'
version: 1
run: { duration: 6s }
attribution: { mode: off }
load: { users: 1, think: 20ms, scenarios: [ { name: page, request: "${base_url}/page" } ] }
YAML
    cp faults.yaml restart.yaml
    cat >>restart.yaml <<'YAML'
faults: [ { name: killed, at: 1s, good_for: 1s, kill: target } ]
YAML
    cp faults.yaml outage.yaml
    cat >>outage.yaml <<YAML
dependencies: { backend: { command: [python3, -m, http.server, --bind, 127.0.0.1, "$(free_port)"] } }
faults: [ { name: outage, at: 1s, for: 1s, good_for: 1s, kill: backend } ]
gates: [fault.recovery < 5s, target.restarts < 1, fd.growth < 100000/h]
YAML
    printf 'version: 1\nname: ours\nrequirements: { name: ours, errors: http.errors < 50%% }\n' >ours.yaml
    local off=(-o attribution.mode=off)
    soaked auth-production auth "${off[@]}" -o load.users=5 -o load.hatch=50/s -o load.think=50ms \
        -o 'gates=[http.errors < 1%, "http.p99{scenario=authenticated} < 5s"]' 3>&- & pids+=($!)
    soaked market-stages market "${off[@]}" -o 'load.stages=[{for: 1s, to: 8}]' -o load.scenarios.0.think=10ms -o load.scenarios.1.think=10ms 3>&- & pids+=($!)
    soaked market-caching caching "${off[@]}" -o load.rate=null -o load.users=2 -o load.think=20ms 3>&- & pids+=($!)
    soaked nightly-24h night -p ./memory.yaml 3>&- & pids+=($!)
    soaked pr-10m check -p ./memory.yaml 3>&- & pids+=($!)
    for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
    pids=()
    soaked authz-target authz "${off[@]}" -o load.users=2 -o load.pace=0/s -o load.think=10ms -o 'gates=[http.p95 < 5s, http.errors < 1%, http.rate > 10/s]' 3>&- & pids+=($!)
    soaked cache-lookups lookups "${off[@]}" -o vars.hit_under=900ms -o load.1.start=1s -o load.1.iterations=500 \
        -o 'gates=["metric.rate{name=hot_hits} > 95%"]' 3>&- & pids+=($!)
    soaked fault-restart restart -p ./restart.yaml 3>&- & pids+=($!)
    soaked fault-dependency outage -p ./outage.yaml 3>&- & pids+=($!)
    soaked nightly-24h later -p ./memory.yaml 3>&- & pids+=($!)
    soaked nightly-24h third -p ./memory.yaml 3>&- & pids+=($!)
    soaked pr-10m again -p ./memory.yaml 3>&- & pids+=($!)
    database -c shared_preload_libraries=pg_stat_statements
    for pid in "${pids[@]}"; do wait "$pid" || bad=1; done
    [ "$bad" -eq 0 ]
    for pid in night check; do "$SEEP" baseline accept "$(ls results | grep "^$pid[1-9]$" | tail -n 1)" --reason "the first"; done
    psql -q -d "$at/app" -c 'create extension pg_stat_statements' -c 'create table jobs(created timestamptz, finished timestamptz)' \
        -c "insert into jobs values (now() - interval '1 hour', now()), (now(), null)"
    web=$(free_port)
    shop "$web" "$(free_port)" "$(free_port)" >web.conf
    nginx -e stderr -c "$WORK/web.conf" >web.out 2>&1 3>&- &
    local shop=$!
    wait_for 10 curl -s -o /dev/null "http://127.0.0.1:$web/health"
    mkdir docs
    printf 'guide\n' | tee docs/a.md docs/b.md docs/c.md >/dev/null
    seq 2000 >scaling-report-7.html
    echo 'run: seep run -p pr-10m' >ci.yml
    echo '{}' >board.json
    { yes HIT | head -n 95; yes MISS | head -n 5; } >cdn.txt
    printf '{"schema": "seep.limit/1"}' >limit.json
    printf 'version: 1\nname: ready\nrequirements: [ { name: ready, http: "http://127.0.0.1:%s/health" } ]\n' "$web" >ready.yaml
    ours() { # ours LIST [OPTION...]: signed off with what a service would set, and how long our runs were
        local list=$1 said=(-o requirements.6.manual.by=Ann -o requirements.6.manual.date="$(date -u +%F)")
        shift
        case $list in
        go-live) said=(-o vars.readiness="$WORK/ready.yaml" -o requirements.2.run.at_least=3s -o requirements.5.run.at_least=3s) ;;
        marketplace) said+=(-o requirements.3.run.at_least=3s -o requirements.17.manual.by=Ann -o requirements.17.manual.date=2026-01-01
            -o requirements.17.manual.valid=auto -o requirements.19.manual.by=Ann -o requirements.19.manual.date=2026-01-01 -o requirements.19.manual.valid=auto
            -o vars.strict="$WORK/ours.yaml" -o vars.cdn_log=cdn.txt -o vars.dashboards=board.json -o vars.workflows=ci.yml) ;;
        success-table) said=(-o requirements.3.run.at_least=3s -o requirements.6.run.profile=pr-10m) ;; # latencies of so short runs cannot be compared
        resilience) said=(-o requirements.4.manual.by=Ann -o requirements.4.manual.date="$(date -u +%F)") ;;
        esac
        PATH=$(dirname "$SEEP"):$PATH run "$SEEP" signoff "$lists/$list.yaml" -o target="$(command -v nginx)" -o "vars.base_url=http://127.0.0.1:$web" \
            -o "vars.db=$at/app" "${said[@]}" "$@"
        echo "$output"
    }
    local list
    for list in go-live marketplace success-table resilience; do
        ours "$list"
        [ "$status" -eq 0 ]
    done
    [[ "$output" == *"metric.rate{name=hot_hits} "*" % > 95 %"* ]] # the figure that was asked for
    # The same with what they ask about gone.
    { yes HIT | head -n 80; yes MISS | head -n 30; } >cdn.txt
    psql -q -d "$at/app" -c "select pg_sleep(0.2)" -c "select pg_sleep(0.2)" >/dev/null
    psql -q -d "$at/app" -c "insert into jobs values (now() - interval '1 hour', null)"
    kill "$shop" && wait "$shop" || true
    rm limit.json docs/c.md
    ours marketplace -o 'vars.load=market-other'
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Nine of ten deliveries"* && "$output" == *"FAIL     Slow queries are gone"* && "$output" == *"FAIL     Monitoring answers"* ]]
    [[ "$output" == *"MISSING  500 users at once"* ]]
    ours resilience
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     S4-18-2  Load is balanced"* && "$output" == *"FAIL     S4-18-6  Jobs do not wait"* ]]
    ours success-table
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     Breaking points are documented"* ]]
    ours go-live -o requirements.5.run.at_least=24h
    [ "$status" -eq 1 ]
    [[ "$output" == *"FAIL     AC-7  Documents are complete"* && "$output" == *"MISSING  AC-6  A day of stability"* ]]
    kill "$server"
    wait "$server" || true
}
