#!/usr/bin/env bats
# Right stacks: programs that know their own (tests/targets/zoo) against what seep makes of them, names and inlined frames compared
# exactly.
load ../lib/seep.bash
setup() { seep_setup; ZOO=$TARGETS/zoo; }
teardown() { seep_teardown; rm -f "${maps[@]}"; }

zoo() { # zoo RUN-NAME PROGRAM[:ARGUMENT]...: all in one run, then each site of each
    local name=$1 program
    local -a programs=()
    shift
    for program in "$@"; do
        case $program in
        zoo_rust | zoo_go | zoo_c_dwz | zoo_node | *_clang | *_clang_lto) [ -x "$ZOO/$program" ] || { echo "# $program left out: its compiler or tool is not here" >&3; continue; } ;;
        esac
        programs+=("$ZOO/$program")
    done
    run "$SEEP" run -q --name "$name" --duration 7s -o 'gates=["rss.total_growth < 10GB"]' -- "$ZOO/zoo_keeper" "${programs[@]}"
    echo "$output"
    [ "$status" -le 3 ]
    maps=()
    for program in $(sqlite3 "$SEEP_RESULTS/$name/run.db" "select path from module where path like '/tmp/perf-%'"); do maps+=("$program"); done
    python3 "$SEEP_SOURCE/tests/lib/zoo.py" "$SEEP_RESULTS/$name"
    verdict "$name" 'print("walks that libunwind agrees with:", v["evidence"]["coverage"]) or v["evidence"]["coverage"] > .999'
}

@test "L01 C: entry points, recursion, stubs, jumps, threads; lazy and early binding, compressed and shared debug information" {
    zoo plain zoo_c zoo_c_now zoo_c_gz zoo_c_dwz
}

@test "L02 C: split debug information, a separate file by debug link, frame pointers without PIE" {
    zoo split zoo_c_split zoo_inline_split zoo_c_link zoo_c_pointers
}

@test "L03 inlined frames at -O3 with link-time optimisation, C++ with exceptions, Rust, C called from Go" {
    zoo languages zoo_inline zoo_cxx zoo_rust zoo_go
}

@test "L04 assembler with and without rules, signal frames, other stacks, generated code, plug-ins that come and go" {
    zoo odd zoo_asm zoo_signal zoo_fiber zoo_jit "zoo_dl:$ZOO"
}

@test "L05 clang, also with its link-time optimisation; coroutines, and jumps over frames and out of handlers" {
    zoo clang zoo_c_clang zoo_c_clang_lto zoo_signal_clang zoo_jump zoo_jump_clang zoo_coro
}

# Not beside others: node's own stacks are many.
@test "L06 JavaScript in node: functions that only its perf map names, below the program's own and V8's" {
    zoo node zoo_node
}
