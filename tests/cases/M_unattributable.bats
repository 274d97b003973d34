#!/usr/bin/env bats
# Programs that no probe can work in: recognised and named, the run goes on with what the process shows from outside, gates that
# need call stacks are INCONCLUSIVE, and never is an unseen heap taken for one that does not grow.
load ../lib/seep.bash
setup() { seep_setup; ZOO=$TARGETS/zoo; }
teardown() { seep_teardown; }

soak() { # soak NAME ARGS...: for six seconds, in the background
    local name=$1
    shift
    "$SEEP" run -q --name "$name" --duration 6s -o target.life=service -o 'gates=["stack.growth < 1MB/h", "heap.growth < 1MB/h"]' \
        "$@" >"$name.out" 2>&1 && echo 0 >"$name.code" || echo $? >"$name.code"
}

# grows NAME ARGS...: the same of what is attributed, and decided.
grows() {
    local name=$1
    shift
    decide "$name" --duration 10s -o target.life=service -o 'gates=["stack.growth < 1MB/h", "heap.growth < 1MB/h"]' \
        "$@" >"$name.out" 2>&1 && echo 0 >"$name.code" || echo $? >"$name.code"
}

named() { # named NAME WORDS: inconclusive for this reason, with the evidence from outside
    echo "== $1"
    cat "$1.out"
    [ "$(cat "$1.code")" -eq 3 ]
    valid_verdict "$1"
    verdict "$1" "'$2' in (v['evidence']['attribution_reason'] or '') and v['evidence']['attribution'] == 'failed'"
    verdict "$1" 'all(g["status"] == "inconclusive" and g["reason"] for g in v["gates"] if g["name"] in ("stack.growth", "heap.growth"))'
    verdict "$1" '"heap" not in v["growth"] and v["stacks"] == []'
    verdict "$1" 'sum(e["slope_bytes_per_hour"] or 0 for e in v["explained"]) > 1e9'
    sampled "$1"
    verdict "$1" 'v["shutdown"]["status"] == "pass"'
    grep -q "$2" "$1.out"
}

@test "M01 static, static-pie, sanitizer, musl, own malloc, setuid, preloaded sanitizer" {
    local name
    cp "$ZOO/zoo_grow" "$WORK/setuid"
    local can_setuid=
    if [ "$(id -u)" = 0 ]; then
        chown nobody "$WORK/setuid" && chmod 4755 "$WORK/setuid" && can_setuid=yes
        chmod 755 "$WORK"
    fi
    for name in static static_pie asan own_malloc musl; do
        [ -x "$ZOO/zoo_grow_$name" ] && soak "$name" -- "$ZOO/zoo_grow_$name" &
    done
    soak preloaded -o 'target.env={"LD_PRELOAD": "libasan.so.8"}' -- "$ZOO/zoo_grow" &
    [ -z "$can_setuid" ] || soak setuid -- "$WORK/setuid" &
    wait
    named static "linked statically"
    named static_pie "linked statically"
    named asan "sanitizer"
    named preloaded "sanitizer"
    [ ! -x "$ZOO/zoo_grow_own_malloc" ] || named own_malloc "its own malloc"
    [ ! -x "$ZOO/zoo_grow_musl" ] && echo "# no musl-gcc here" >&3 || named musl "musl"
    [ -z "$can_setuid" ] || named setuid "setuid"
}

@test "M02 an environment that is cleared on the way: said, not judged by what went before; a program that filters its own calls" {
    soak cleared -- env -i "$ZOO/zoo_grow" &
    grows filter -- "$ZOO/zoo_grow" filter &
    wait
    named cleared "environment was cleared"
    cat filter.out
    [ "$(cat filter.code)" -eq 1 ] # it permits everything, so it is attributed as ever
    verdict filter 'v["stacks"][0]["frames"][0]["function"] == "grow"'
}

@test "M03 another preloaded library that wraps malloc is no obstacle: attributed, the right function first" {
    grows wrapped -o "target.env={\"LD_PRELOAD\": \"$ZOO/zoo_wrapper.so\"}" -- "$ZOO/zoo_grow"
    cat wrapped.out
    [ "$(cat wrapped.code)" -eq 1 ]
    verdict wrapped 'v["stacks"][0]["frames"][0]["function"] == "grow"'
}

# What is only found out while the program runs: the probe is there, and what it counts is not what grows.
past() { # past NAME WORDS: named within seconds, gates on the heap decide nothing
    echo "== $1"
    cat "$1.out"
    [ "$(cat "$1.code")" -eq 3 ]
    valid_verdict "$1"
    verdict "$1" "'$2' in v['evidence']['attribution_reason'] and v['evidence']['attribution'] == 'failed' and v['stacks'] == []"
    verdict "$1" 'all(g["status"] == "inconclusive" and g["reason"] for g in v["gates"] if g["name"] in ("stack.growth", "heap.growth"))'
    verdict "$1" 'any(e["kind"] == "degraded" and "not attributable" in e["text"] for e in v["events"])'
    tr -s ' \n' ' ' <"$1.out" | grep -q "$2"
}

@test "M04 an allocator inside the program that preloading does not see: renamed, hidden, stripped, of the program's own" {
    local name
    for name in renamed renamed_visible hidden hidden_tcmalloc brk; do
        [ -x "$ZOO/zoo_grow_$name" ] && soak "$name" -- "$ZOO/zoo_grow_$name" &
    done
    wait
    if [ -x "$ZOO/zoo_grow_renamed" ]; then
        past renamed "contains jemalloc under names of its own"
        past hidden "contains jemalloc under names of its own"
        past renamed_visible "contains jemalloc under names of its own"
        verdict renamed 'v["target"]["allocator"] == "jemalloc, inside the program" and "heap" not in v["growth"]'
        verdict hidden '"heap" not in v["growth"]'
        # Its own figures are there where the symbol is visible and somebody calls malloc.
        verdict renamed_visible 'v["growth"]["heap"]["last"] > 4e6'
    else
        echo "# no static jemalloc here" >&3
    fi
    [ ! -x "$ZOO/zoo_grow_hidden_tcmalloc" ] || past hidden_tcmalloc "contains tcmalloc under names of its own"
    past brk "without a single call of malloc"
}

@test "M05 programs built with sanitizers, anywhere in the tree: they find what they find without us, and are named" {
    cat >faults.cc <<'CC'
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
int shared;
int main(int argc, char **argv)
{
    const char *fault = argc > 1 ? argv[1] : "";
    auto work = [] { for (int i = 0; i < 300; i++) { std::string s(i, 'x'); try { throw std::runtime_error(s); } catch (std::exception &) {} } };
    std::thread a(work), b(work);
    a.join(), b.join();
    char *volatile p = (char *)malloc(10), *volatile q = strdup("abc");
    if (!strcmp(fault, "overflow")) p[10] = 1;
    if (!strcmp(fault, "lost")) { q = strdup("lost"); q = nullptr; } // one copy and the one before it
    if (!strcmp(fault, "race")) { std::thread c([] { shared++; }); shared++; c.join(); }
    if (!strcmp(fault, "twice")) { free(p); free(p); }
    if (!strcmp(fault, "odd")) { delete new int[3]; }
    if (!strcmp(fault, "none")) usleep(500000); // long enough to be looked at
    free(p), free(q);
    puts("ran");
    return 3;
}
CC
    cat >all.sh <<'SH'
for kind in address thread leak; do
    for fault in none overflow lost race twice odd; do
        [ -x "./$kind" ] || continue
        "./$kind" $fault >out 2>&1
        echo "$kind $fault: $? $(grep -cx ran out) $(grep -E '^SUMMARY|come first' out | sed 's/ [^ ]*\/[^ ]*//g; s/ in .*//')"
    done
done
SH
    local kind made=0
    for kind in address thread leak; do
        g++ -w -g -fsanitize=$kind faults.cc -o $kind -pthread 2>/dev/null && made=$((made + 1))
    done
    [ "$made" -gt 0 ] || skip "no compiler here has a sanitizer"
    bash all.sh >bare
    cat bare
    grep -q 'overflow: 1 .*heap-buffer-overflow' bare
    run "$SEEP" run -q --name tree --duration 60s -o target.life=job -- bash -c 'bash all.sh >probed'
    diff bare probed
    verdict tree 'v["exit"]["code"] == 0 if "exit" in v else True'
    verdict tree 'any("built with a sanitizer" in e["text"] for e in v["events"] if e["kind"] == "process")'
    verdict tree 'any("(bash) is attributed" in e["text"] for e in v["events"] if e["kind"] == "process")'
}

# Ways around malloc that are seen all the same.
@test "M06 an allocator's own names, a malloc around the C library's, the program break, segments of System V: attributed, the right function first" {
    local name
    for name in mi tc libc wrapped sbrk shm; do
        [ -x "$ZOO/zoo_grow_$name" ] && soak "$name" -- "$ZOO/zoo_grow_$name" &
    done
    wait
    for name in mi tc libc wrapped sbrk shm; do
        [ -x "$ZOO/zoo_grow_$name" ] || { echo "# zoo_grow_$name left out: its allocator is not here" >&3; continue; }
        echo "== $name"
        cat "$name.out"
        valid_verdict "$name"
        verdict "$name" 'v["evidence"]["attribution"] != "failed" and "grow" in [f["function"] for f in v["stacks"][0]["frames"][:2]]'
    done
}
