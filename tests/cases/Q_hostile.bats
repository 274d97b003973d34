#!/usr/bin/env bats
# Hostile files and a resolver that dies or hangs, in whole runs: they cost names, never the run or its verdict.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

soak() { # soak NAME PROGRAM: its leak is 30 times over budget
    decide "$1" --duration 8s -o run.early_stop=false -o 'gates=["stack.growth < 30MB/h"]' -- "$2" 300000
}

# judged NAME: the run was judged as without the fault; each frame has a name or at least its module.
judged() {
    cat out.txt
    [ "$code" -eq 1 ]
    valid_verdict "$1"
    verdict "$1" 'v["verdict"] == "fail" and v["stacks"][0]["grows"] == "yes" and len(v["stacks"][0]["frames"]) > 0'
    verdict "$1" 'all(f["function"] or f["module"] for s in v["stacks"] for f in s["frames"])'
    [ -s "$SEEP_RESULTS/$1/report.html" ]
}

resolvers_of() { # resolvers_of PID: those of the supervisor that the shell PID started
    local supervisor pid
    for supervisor in $(pgrep -P "$1"); do
        for pid in $(pgrep -P "$supervisor"); do
            [ "$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null)" = "seep resolver " ] && echo "$pid"
        done
    done
    return 0
}

# beset NAME SIGNAL MOST: a run whose resolvers get the signal as they appear, up to MOST of them; `hits` counts them.
beset() {
    local run_pid pid
    hits=0 code=0
    soak "$1" "$TARGETS/leak_c" >out.txt 2>&1 &
    run_pid=$!
    while kill -0 "$run_pid" 2>/dev/null; do
        for pid in $(resolvers_of "$run_pid"); do
            [ "$hits" -lt "$3" ] && kill "-$2" "$pid" 2>/dev/null && hits=$((hits + 1))
        done
        sleep 0.02
    done
    wait "$run_pid" || code=$?
}

@test "Q01 every resolver of a run is killed as it appears: names are lost, the verdict stands" {
    beset killed KILL 1000
    [ "$hits" -ge 1 ]
    judged killed
}

@test "Q02 a resolver that stops answering is given up, and the run ends" {
    beset stopped STOP 1
    [ "$hits" -eq 1 ]
    judged stopped
}

@test "Q03 a program whose headers and debug information are damaged is soaked like any other" {
    python3 - "$TARGETS/leak_c" damaged <<'PY'
import random, struct, sys
data = bytearray(open(sys.argv[1], "rb").read())
shoff, = struct.unpack_from("<Q", data, 40)
shentsize, shnum, shstrndx = struct.unpack_from("<HHH", data, 58)
strings, = struct.unpack_from("<Q", data, shoff + shstrndx * shentsize + 24)
rng = random.Random(7)
hit = 0
for i in range(shnum):
    name, kind, flags, addr, offset, size = struct.unpack_from("<IIQQQQ", data, shoff + i * shentsize)
    label = data[strings + name:data.index(0, strings + name)]
    if label.startswith(b".debug_") or label in (b".symtab", b".strtab"):
        for _ in range(size // 8):
            data[offset + rng.randrange(size)] = rng.randrange(256)
        struct.pack_into("<Q", data, shoff + i * shentsize + 32, 0xffffffff00 if hit % 2 else size)
        hit += 1
assert hit >= 4
open(sys.argv[2], "wb").write(data)
PY
    chmod 755 damaged
    code=0
    soak damaged "$WORK/damaged" >out.txt 2>&1 || code=$?
    judged damaged
}

@test "Q04 a bomb as compressed symbols: its names are lost and the run is not" {
    command -v objcopy >/dev/null || skip "binutils are not installed"
    python3 - bomb.xz <<'PY'
import lzma, sys
c = lzma.LZMACompressor(preset=0)
zeros = bytes(1 << 24)
with open(sys.argv[1], "wb") as f:
    for _ in range(64):
        f.write(c.compress(zeros))
    f.write(c.flush())
PY
    objcopy --strip-all --add-section .gnu_debugdata=bomb.xz "$TARGETS/leak_c" bombed
    code=0
    soak bombed "$WORK/bombed" >out.txt 2>&1 || code=$?
    judged bombed
}

victim_runs() { # its own file is executed, not only named on a command line; found by one program, as it lives for seconds only
    find /proc -maxdepth 2 -name exe -lname "$WORK/victim" 2>/dev/null | grep -q .
}

@test "Q05 a FIFO takes the place of the program's file while it runs: nothing waits for it" {
    local run_pid
    cp "$TARGETS/leak_c" victim
    mkfifo pipe
    code=0
    soak fifo "$WORK/victim" >out.txt 2>&1 &
    run_pid=$!
    wait_for 20 victim_runs
    mv pipe victim
    wait "$run_pid" || code=$?
    judged fifo
    # Judged again when the file is only a FIFO: still nothing waits.
    run timeout 60 "$SEEP" report fifo -f json
    [ "$status" -eq 0 ]
}

@test "Q06 names meant for terminals and spreadsheets stay names in every format" {
    local f
    cp "$TARGETS/leak_c" $'=cmd|\033]0;title\007<script>'
    code=0
    soak names "$WORK/"$'=cmd|\033]0;title\007<script>' >out.txt 2>&1 || code=$?
    judged names
    for f in text json html csv folded speedscope; do
        "$SEEP" report names -f "$f" -O "out.$f"
        ! LC_ALL=C grep -q $'[\001-\010\013\014\016-\037\177]' "out.$f"
    done
    ! grep -q '<script>[^<]*title\|title[^<]*<script>' out.html
    ! LC_ALL=C grep -qE '(^|,)=cmd' out.csv
    ! LC_ALL=C grep -q $'\033' out.txt
}

functions_of() { # functions_of RUN: of all stacks, with what is said of those without a name
    verdict "$1" '" ".join(f["function"] or ("changed" if f.get("file_changed") else "-") for s in v["stacks"] for f in s["frames"])'
}

# upgraded NAME COMMAND...: a run whose library is changed by the command once the program leaves it alone. Without early looks
# names are asked for at the end only.
upgraded() {
    local name=$1 run_pid
    shift
    rm -f mark
    cp "$TARGETS/upgraded_old" lib.so
    "$SEEP" run -q --name "$name" --duration 6s --interval 200ms -o run.early_stop=false -o 'gates=["stack.growth < 30MB/h"]' -- \
        "$TARGETS/upgraded_host" "$WORK/lib.so" "$WORK/mark" >out.txt 2>&1 &
    run_pid=$!
    wait_for 30 test -s mark
    "$@"
    wait "$run_pid" || true
    valid_verdict "$name"
}

@test "Q07 a library's file is replaced or overwritten while it is in use: its own names or none, never the new file's" {
    upgraded replaced mv -f "$(cp "$TARGETS/upgraded_new" new.so && echo new.so)" lib.so
    [[ "$(functions_of replaced)" == *old_record_new* ]] # the file that runs is held
    [[ "$(functions_of replaced)" != *new_session_copy* ]]

    upgraded overwritten cp "$TARGETS/upgraded_new" lib.so
    [[ "$(functions_of overwritten)" != *new_session_copy* ]]
    [[ "$(functions_of overwritten)" == *changed* ]]
    "$SEEP" report overwritten -f html -O o.html
    grep -q "the file has changed since it ran" o.html
}

# vandalised NAME MODE SECONDS: a run on a program that turns on the region it shares with seep. It ends as any other, its report is
# made, and the program's own end is known.
vandalised() {
    run "$SEEP" run --name "$1" --duration "$(($3 + 60))s" --interval 100ms -o target.life=job -o run.early_stop=false \
        -o 'gates=["stack.growth < 1MB/h", "fd.growth < 1000/h"]' -- "$TARGETS/region_vandal" "$2" "$3"
    echo "$output"
    [ "$status" -ne 77 ] && [ "$status" -lt 4 ]
    grep -qx over "$SEEP_RESULTS/$1/target.log"
    valid_verdict "$1"
    sampled "$1" # what a busy machine leaves out is no fault
    [ -s "$SEEP_RESULTS/$1/report.html" ]
    "$SEEP" report "$1" >/dev/null || [ $? -lt 4 ]
}

# C1; tests/fault/scribble does it for ten minutes.
@test "Q08 a program scribbles over the region it shares with seep: the run goes on to its end" {
    vandalised scribbled scribble "${SEEP_VANDAL_SECONDS:-4}"
}

# C2: the file is sealed, so nothing can be cut off; pages can be dropped, and the mapping can go.
@test "Q09 a program tears holes into the region and unmaps it: the run goes on to its end" {
    vandalised torn tear 3
    if grep -q shrink "$SEEP_RESULTS/torn/target.log"; then # who may open it that way
        grep -qx "shrink not permitted" "$SEEP_RESULTS/torn/target.log"
        grep -qx "grow not permitted" "$SEEP_RESULTS/torn/target.log"
    fi
    grep -qx "unmap done" "$SEEP_RESULTS/torn/target.log"
}

# C3
@test "Q10 a program says it holds a billion gigabytes: called inconsistent, no stack is accused" {
    vandalised liar lie 4
    verdict liar '"inconsistent" in v["evidence"]["attribution_reason"] and v["evidence"]["attribution"] == "failed"'
    verdict liar '[g["status"] for g in v["gates"] if "stack" in json.dumps(g)] == ["inconclusive"]'
    verdict liar 'any(e["kind"] == "degraded" and "inconsistent" in e["text"] for e in v["events"])'
}

# C7, A22. Side by side: each has its own program to turn on.
@test "Q11 a program turns on its own file and on its perf map: what is known is named, nothing waits, the run goes on" {
    local how
    for how in garbage names fifo link huge gone; do
        cp "$TARGETS/files_vandal" "vandal_$how"
        decide "$how" --duration 6s --interval 150ms -o run.early_stop=false -o 'gates=["stack.growth < 1MB/h"]' -- \
            "$WORK/vandal_$how" "$how" >"$how.out" 2>&1 &
    done
    wait
    for how in garbage names fifo link huge gone; do
        echo "== $how"
        cat "$how.out"
        valid_verdict "$how"
        verdict "$how" 'v["verdict"] == "fail"'
        verdict "$how" '["lose", "lose_plainly", "main"] in [[f["function"] for f in s["frames"]][:3] for s in v["stacks"]]'
        verdict "$how" 'any(s["live_blocks"] and s["live_bytes"] / s["live_blocks"] == 5000 and s["frames"][0]["function"] == "lose" for s in v["stacks"])'
        verdict "$how" '(v["evidence"]["coverage"] or 0) > .9'
        verdict "$how" 'all(f["function"] or f["module"] for s in v["stacks"] for f in s["frames"])'
        "$SEEP" report "$how" -f html -O "$how.html"
        ! grep -q '<script>alert' "$how.html"
        ! LC_ALL=C grep -q $'\033' "$how.out"
    done
}
