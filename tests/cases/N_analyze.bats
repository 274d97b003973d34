#!/usr/bin/env bats
# The judge alone, on tables from anywhere: the golden cases through the command, a run's own table, and everything odd.
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

valid_analysis() { # valid_analysis FILE: against the schema we ship
    python3 - "$SEEP_SOURCE/docs/schema/seep.analysis.1.json" "$1" <<'PY'
import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))
PY
}

# analysis FILE PYTHON-EXPRESSION: evaluates over the analysis as `a`, its series by name as `s`.
analysis() {
    python3 - "$1" "$2" <<'PY'
import json, sys
a = json.load(open(sys.argv[1]))
s = {x["name"]: x for x in a["series"]}
r = eval(sys.argv[2])
print(r)
sys.exit(0 if r not in (False, None) else 1)
PY
}

# refused TEXT FILE [OPTION...]: exit 2 and a sentence with that text, and no output.
refused() {
    local says=$1
    shift
    run bash -c '"$@" 2>said' _ "$SEEP" analyze "$@"
    echo "$status: $(cat said)"
    [ "$status" = 2 ] && [ -z "$output" ] && [[ $(cat said) == *"$says"* ]]
}

has_samples() { # has_samples RUN N
    [ "$("$SEEP" report "$1" -f json 2>/dev/null | python3 -c 'import json, sys; print(json.load(sys.stdin)["evidence"]["samples"])')" -ge "$2" ]
}

flat() { # flat N: rows of a calm table
    python3 -c "
print('timestamp_s,rss_bytes')
for i in range($1): print(f'{i},{50000000 // 4096 * 4096 + i * 7919 % 5 * 4096}')"
}

@test "N01 the golden cases of METHOD, through the command" {
    run python3 - "$SEEP" "$SEEP_SOURCE/docs/METHOD.md" <<'PY'
import json, math, re, subprocess, sys
MIB = 1048576.0
signals = [lambda i, h: .25 * MIB * h, lambda i, h: 2.5 * MIB * h, lambda i, h: 3e7 * (1 - math.exp(-h / 2)),
           lambda i, h: 12e6 if h >= 12 else 0, lambda i, h: 6 * MIB * max(h - 15, 0),
           lambda i, h: 9e7 * (i % 17) / 17 + 2 * MIB * h, lambda i, h: 1.2e8 * (1 - math.exp(-h / 24)),
           lambda i, h: 1e7 * math.floor(h / 2)]
rows = re.findall(r"^\|[^|]*\| (pass|fail|inconclusive) \| ([^|]+) \| ([-0-9.]+) \| ([-0-9.]+) \| ([-0-9.]+) \| ([-0-9.]+) \|$",
                  open(sys.argv[2]).read(), re.M)
assert len(rows) == 8, rows
for signal, (verdict, model, *numbers) in zip(signals, rows):
    x, a, lines = 1, 0.0, ["timestamp_s,rss_bytes"]
    for i in range(288):
        x = (1103515245 * x + 12345) % 2**31
        a = .7 * a + (x / 2**31 - .5) * 1e6
        lines.append(f"{i * 300},{math.floor((2e8 + a + signal(i, i * 300 / 3600)) / 4096) * 4096}")
    p = subprocess.run([sys.argv[1], "analyze", "-", "--budget", "1MiB/h", "-f", "json"], input="\n".join(lines),
                       capture_output=True, text=True)
    s = json.loads(p.stdout)["series"][0]
    assert p.returncode == {"pass": 0, "fail": 1, "inconclusive": 3}[verdict], (p.returncode, verdict)
    assert s["verdict"] == verdict and s["model"] == model.strip(), (s["verdict"], s["model"], model)
    for got, want in zip([s["slope_bytes_per_hour"], *s["ci90"], s["mde_bytes_per_hour"]], numbers):
        assert abs(got / MIB - float(want)) <= 1e-3, (model, got / MIB, want)
print("8 of 8")
PY
    echo "$output"
    [ "$status" = 0 ] && [ "$output" = "8 of 8" ]
}

@test "N02 a run's own table has the run's own verdict, also with a pause" {
    decide leak --duration 14s --interval 150ms -- "$TARGETS/leak_c" 40000 &
    local leak=$!
    "$SEEP" run -q --name calm --duration 14s --interval 150ms -- "$TARGETS/leak_c" 0 &
    local calm=$!
    "$SEEP" run -q --name paused --duration 14s --interval 150ms -- "$TARGETS/workload" fill=3e6 tau=2 sizes=heavy &
    local paused=$! target
    wait_for 10 has_samples paused 20
    target=$("$SEEP" report paused -f json | python3 -c 'import json, sys; print(json.load(sys.stdin)["target"]["pid"])')
    kill -STOP "$target"
    sleep 2.5
    kill -CONT "$target"
    wait "$leak" || [ $? = 1 ]
    wait "$calm" || [ $? = 3 ]
    wait "$paused" || [ $? -le 3 ]
    local name
    for name in leak calm paused; do
        "$SEEP" report "$name" -f csv -O "$name.csv"
        run "$SEEP" analyze "$name.csv" -f json
        echo "$output" >"$name.json"
        valid_analysis "$name.json"
        python3 - "$SEEP_RESULTS/$name/verdict.json" "$name.json" "$status" <<'PY'
import json, sys
run, a = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
assert int(sys.argv[3]) == a["exit_code"] == {"pass": 0, "fail": 1, "inconclusive": 3}[a["verdict"]]
names = {"rss_bytes": "rss", "allocated_bytes": "heap"}
assert sorted(s["name"] for s in a["series"]) == sorted(names)
for s in a["series"]:
    r = run["growth"][names[s["name"]]]
    # the axis of a paused run has the pause in it, and its samples count as given
    axis = ("warmup_end_s", "event_s", "samples") if run["run"] == "paused" else ()
    for key, value in r.items():
        if key not in ("gate", *axis):
            assert s[key] == value, (s["name"], key, s[key], value)
PY
    done
    [ "$(head -n 1 paused.csv | cut -d, -f4)" = excluded_s ]
    analysis leak.json 'a["verdict"] == "fail" and s["allocated_bytes"]["verdict"] == "fail"'
    # every other column can be judged too
    run "$SEEP" analyze leak.csv --column fd --column threads --budget 1/h -f json
    [ "$status" = 0 ]
    echo "$output" >counts.json
    valid_analysis counts.json
    analysis counts.json 'len(a["series"]) == 2 and s["fd"]["slope_per_hour"] == 0'
}

@test "N03 what is no table is refused with its line" {
    flat 200 >good.csv
    : >empty.csv
    refused 'empty.csv:1: the file is empty' empty.csv
    head -n 1 good.csv >header.csv
    refused 'header.csv:2: there are no rows' header.csv
    head -n 2 good.csv >one.csv
    refused 'one.csv:2: there is only one row' one.csv
    tail -n +2 good.csv >bare.csv
    refused 'bare.csv:1: there is no header' bare.csv
    sed '40s/,.*/,nan/' good.csv >nan.csv
    refused "nan.csv:40: rss_bytes is 'nan'" nan.csv
    sed '41s/,.*/,inf/' good.csv >inf.csv
    refused "inf.csv:41: rss_bytes is 'inf'" inf.csv
    sed '42s/,/,-/' good.csv >negative.csv
    refused 'negative.csv:42: rss_bytes is -49999872: an amount cannot be negative' negative.csv
    awk -F, 'NR > 1 { $1 = sprintf("%.0f", 1763735154000 + $1 * 1000) } { print $1 "," $2 }' good.csv >ms.csv
    refused 'ms.csv:2: timestamp_s is 1763735154000: seconds are needed, and so many look like milliseconds' ms.csv
    sed '43s/^[0-9]*/7/' good.csv >back.csv
    refused 'back.csv:43: the time 7 s does not come after 40 s in line 42' back.csv
    sed '44s/^[0-9]*/41/' good.csv >twice.csv
    refused 'twice.csv:44: the time 41 s does not come after 41 s in line 43' twice.csv
    sed '45s/,.*/,1e999/' good.csv >huge.csv
    refused 'huge.csv:45: rss_bytes is' huge.csv
    sed '46s/,/\x00,/' good.csv >nul.csv
    refused 'nul.csv:46: a NUL byte' nul.csv
    { cat good.csv; head -c 3000000 /dev/zero | tr '\0' 9; } >long.csv
    refused 'long.csv:202: a line of more than' long.csv
    gzip -k good.csv
    refused 'good.csv.gz:1: this is gzip data; use `zcat' good.csv.gz
    mkdir dir
    refused 'dir: this is a directory' dir
    refused 'nowhere.csv: the file cannot be opened' nowhere.csv
    refused "good.csv:1: there is no column 'rss_byte'; did you mean 'rss_bytes'?" good.csv --column rss_byte
    refused "should be a rate" good.csv --budget 1MB
    refused "is not a quantity" good.csv --budget fast
    refused "is negative" good.csv --budget=-1MB/h
    refused "should be a size" good.csv --total 7
    refused "--baseline is the level of one column" good.csv --baseline 1MB
    refused "a CSV file is needed"
    refused "one file at a time" good.csv good.csv
}

@test "N04 odd tables are judged, and what is odd is said" {
    flat 200 >good.csv
    run "$SEEP" analyze good.csv -b 10MB/h
    [ "$status" = 0 ]
    [[ $output == "PASS  rss_bytes grows "* && $output != *note* ]]
    # standard input, FIFO, byte-order mark, line ends of three kinds, a blank line: the same verdict
    "$SEEP" analyze good.csv -b 10MB/h -f json >good.json
    local numbers='[(x["slope_bytes_per_hour"], x["ci90"], x["model"]) for x in a["series"]]'
    mkfifo pipe
    cat good.csv >pipe &
    "$SEEP" analyze pipe -b 10MB/h -f json >pipe.json
    "$SEEP" analyze - -b 10MB/h -f json <good.csv >stdin.json
    { printf '\xef\xbb\xbf'; sed -e '10,20s/$/\r/' -e '30s/$/\n/' good.csv | sed '50{N;s/\n/\r/}'; } >mixed.csv
    "$SEEP" analyze mixed.csv -b 10MB/h -f json >mixed.json
    for f in pipe stdin mixed; do
        valid_analysis "$f.json"
        [ "$(analysis "$f.json" "$numbers")" = "$(analysis good.json "$numbers")" ]
    done
    analysis mixed.json '"mixed.csv:10: this line ends otherwise" in a["notes"][0]'
    # gaps: told, and too many of them decide
    sed '100,130d' good.csv >gap.csv
    "$SEEP" analyze gap.csv -b 10MB/h -f json >gap.json
    analysis gap.json '"gap.csv:100: 1 time more than three intervals" in a["notes"][0] and s["rss_bytes"]["gaps"] == 1'
    sed '60,130d' good.csv >hole.csv
    run "$SEEP" analyze hole.csv -b 10MB/h
    [ "$status" = 3 ]
    [[ $output == *"samples are missing for 36 % of the time"* ]]
    # few rows, and a window shorter than two periods
    head -n 42 good.csv >few.csv
    run "$SEEP" analyze few.csv -b 10MB/h
    [ "$status" = 3 ]
    [[ $output == *"too few samples"* ]]
    run "$SEEP" analyze good.csv -b 10MB/h --period 2m
    [ "$status" = 3 ]
    [[ $output == *"fewer than two load periods"* ]]
    # a column that nobody measured
    sed 's/$/,/; 1s/,$/,allocated_bytes/' good.csv >unmeasured.csv
    run "$SEEP" analyze unmeasured.csv -b 10MB/h
    [ "$status" = 0 ]
    [[ $output == *"allocated_bytes is empty"* ]]
    run "$SEEP" analyze unmeasured.csv -b 10MB/h --column allocated_bytes
    [ "$status" = 3 ]
}

@test "N05 two columns are one question, totals and warm-up count" {
    python3 - <<'PY'
import math
def table(name, rss, heap):
    with open(name, "w") as f:
        f.write("timestamp_s,rss_bytes,allocated_bytes\n")
        x = 1
        for i in range(300):
            x = (1103515245 * x + 12345) % 2**31
            f.write(f"{i},{int(5e7 + rss * i + x % 5 * 4096) // 4096 * 4096},{int(3e7 + heap * i + x % 999)}\n")
table("both.csv", 0, 0)
table("heap.csv", 0, 2e4)
table("rss.csv", 2e4, 0)
PY
    run "$SEEP" analyze both.csv -b 20MB/h
    [ "$status" = 0 ]
    run "$SEEP" analyze heap.csv -b 20MB/h
    [ "$status" = 1 ]
    [[ $output == "FAIL  allocated_bytes grows 72"* ]]
    run "$SEEP" analyze rss.csv -b 20MB/h -f json
    [ "$status" = 1 ]
    echo "$output" >rss.json
    valid_analysis rss.json
    analysis rss.json 'a["label"].startswith("not heap") and a["headline"].startswith("rss_bytes grows 7")'
    # by themselves
    run "$SEEP" analyze rss.csv -b 20MB/h --column allocated_bytes
    [ "$status" = 0 ]
    # total growth is a question of its own
    run "$SEEP" analyze rss.csv -b 100MB/h --total 4MB -f json
    [ "$status" = 1 ]
    echo "$output" >total.json
    valid_analysis total.json
    analysis total.json 'a["headline"].startswith("rss_bytes grew by 5") and s["allocated_bytes"]["total"]["verdict"] == "pass"'
    run "$SEEP" analyze rss.csv -b 100MB/h --total 10MB
    [ "$status" = 0 ]
    run "$SEEP" analyze rss.csv -b 100MB/h --total 10MB --column rss_bytes --baseline 40MB
    [ "$status" = 1 ]
    # warm-up: given instead of found
    run "$SEEP" analyze both.csv -b 20MB/h --warmup 100s -f json
    echo "$output" >warm.json
    analysis warm.json 's["rss_bytes"]["warmup_end_s"] == 100'
    run "$SEEP" analyze both.csv -b 20MB/h --warmup 0 -f json
    echo "$output" >warm.json
    analysis warm.json 's["rss_bytes"]["warmup_end_s"] == 0 and s["rss_bytes"]["points"] == 300'
}

@test "N06 a million rows are judged whole and bounded" {
    python3 -c "
print('timestamp_s,rss_bytes,allocated_bytes')
for i in range(1000000): print(f'{i * .0864:.4f},{50000000 // 4096 * 4096 + i // 20000 * 40960 + i * 7919 % 5 * 4096},{40000000 + i % 977}')" >million.csv
    # 8 bytes a cell and as much again for the judge: 34 MB; the program itself needs some 10
    run bash -c "ulimit -v 400000; exec '$SEEP' analyze million.csv -b 1kB/h -f json"
    [ "$status" = 1 ]
    echo "$output" >million.json
    analysis million.json 'a["rows"] == 1000000 and s["rss_bytes"]["samples"] == 1000000 and s["rss_bytes"]["points"] == 300'
    analysis million.json 's["rss_bytes"]["verdict"] == "fail" and s["allocated_bytes"]["verdict"] == "pass"'
}

@test "N07 recordings of real programs, whose truth is known, get no wrong verdict" {
    local name truth budget expected n=0 table="$SEEP_SOURCE/tests/recordings"
    while read -r name truth budget expected; do
        case $name in "#"*) continue ;; esac
        run "$SEEP" analyze "$table/$name.csv" --budget "$budget" -f json
        echo "$name, $truth: $status, expected $expected"
        echo "$output" >one.json
        valid_analysis one.json
        # never wrong, and what was decided once stays decided
        [ "$truth" = leak ] && [ "$status" != 0 ] || { [ "$truth" = stable ] && [ "$status" != 1 ]; }
        case $expected in pass) [ "$status" = 0 ] ;; fail) [ "$status" = 1 ] ;; esac
        n=$((n + 1))
    done <"$table/list.txt"
    [ "$n" -ge 10 ]
}

@test "N08 the unit of a column's name is taken: a leak in kB, KiB, MiB is the same leak" {
    python3 - <<'PY'
units = {"bytes": 1, "kb": 1e3, "KiB": 1024, "mb": 1e6, "MiB": 1048576}
for unit, size in units.items():
    for name, rate in (("leak", 2e6), ("calm", 0)):
        x = 1
        with open(f"{name}-{unit}.csv", "w") as f:
            f.write(f"timestamp_s,rss_{unit},allocated_{unit}\n")
            for i in range(300):
                x = (1103515245 * x + 12345) % 2**31
                rss = (int(5e7 + rate / 3600 * i * 60) + x % 5 * 4096) // 4096 * 4096
                f.write(f"{i * 60},{round(rss / size, 3)},{round(rss * .8 / size, 3)}\n")
PY
    local unit
    for unit in bytes kb KiB mb MiB; do
        run "$SEEP" analyze "leak-$unit.csv" -f json
        echo "$unit: $output"
        [ "$status" = 1 ]
        echo "$output" >leak.json
        valid_analysis leak.json
        analysis leak.json "len(a['series']) == 2 and abs(s['rss_$unit']['slope_bytes_per_hour'] / 2e6 - 1) < .02"
        analysis leak.json "any('taken for 1000 bytes' in n for n in a['notes']) == ('$unit' == 'kb')"
        run "$SEEP" analyze "leak-$unit.csv" --column "rss_$unit" --budget 1MB/h
        [ "$status" = 1 ]
        run "$SEEP" analyze "calm-$unit.csv" --budget 1MB/h
        [ "$status" = 0 ]
    done
}
