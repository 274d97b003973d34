#!/usr/bin/env bats
# An installed tree: complete, working from wherever it stands, with manual pages and completion for every command.
load ../lib/seep.bash
setup() {
    seep_setup
    export TMPDIR=$WORK
    DESTDIR='' cmake --install "$SEEP_BUILD" --prefix "$WORK/x" >install.log
}
teardown() { seep_teardown; }

commands() { "$1" completion | sed -n "s/^ *words='\([a-z ]*\) --help --version'\$/\1/p"; }

@test "K01 everything is in its place" {
    [ -x x/bin/seep ] && [ -x x/bin/seep-keeper ] && [ -r x/lib/libseep-probe.so ] && [ -r x/include/seep_mark.h ]
    for p in pr-10m nightly-24h investigate demo; do [ -s "x/share/seep/profiles/$p.yaml" ]; done
    python3 -c 'import json; json.load(open("x/share/seep/seep.verdict.1.json"))'
    [ "$(sort install.log | uniq -d | wc -l)" -eq 0 ]
    ! grep -q "Up-to-date" install.log # nothing is installed twice
}

@test "K02 the installed programs do the whole job, also through a symbolic link and after a move" {
    if ldd "$SEEP" | grep -qE 'libasan|libtsan|libmsan'; then skip "seep is built with a sanitizer"; fi
    mkdir -p moved
    mv x moved/y
    ln -s moved/y/bin/seep seep
    run ./seep profiles
    [ "$status" -eq 0 ]
    [[ "$output" == *pr-10m* && "$output" == *nightly-24h* ]]
    ./seep profiles check pr-10m
    run ./seep doctor
    echo "$output"
    [ "$status" -eq 0 ]
}

@test "K03 every command has a manual page that formats without a complaint" {
    local list page n=0
    list=$(commands x/bin/seep)
    [ "$(wc -w <<<"$list")" -ge 12 ]
    for c in $list; do [ -s "x/share/man/man1/seep-$c.1" ]; done
    for page in seep.1 seep-profile.5; do [ -s "x/share/man/man${page##*.}/$page" ]; done
    [ "$(find x/share/man -type f | wc -l)" -eq "$(($(wc -w <<<"$list") + 2))" ]
    command -v groff >/dev/null || skip "groff is not here"
    for page in x/share/man/man?/*; do
        run groff -man -ww -Tutf8 -z "$page"
        echo "$page: $output"
        [ "$status" -eq 0 ] && [ -z "$output" ]
        n=$((n + 1))
    done
    [ "$n" -ge 14 ]
}

@test "K04 completion knows the commands and their options" {
    cat >complete.sh <<'SH'
source x/share/bash-completion/completions/seep
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
compopt() { :; }
_seep
printf '%s\n' "${COMPREPLY[@]}"
SH
    [ "$(bash complete.sh seep doc)" = doctor ]
    [ "$(bash complete.sh seep doctor --qu)" = --quick ]
    bash complete.sh seep run --dur | grep -qx -- --duration=
    ! bash complete.sh seep '' | grep -q doctor-leak
}

@test "K07 the installed header marks a program's operations, with and without seep, in C and C++" {
    if ldd "$SEEP" | grep -qE 'libasan|libtsan|libmsan'; then skip "seep is built with a sanitizer"; fi
    cat >job.c <<'C'
#include <seep_mark.h>
#include <unistd.h>
int main(void)
{
    for (int i = 0; i < 3000; i++) {
        SEEP_MARK("job");
        usleep(1000);
    }
    return 0;
}
C
    cp job.c job.cc
    local how n=0
    for how in "cc -std=c99 job.c" "c++ -std=c++98 job.cc" "cc -fno-pic -no-pie job.c" "cc -static job.c" "clang -fno-pic -no-pie job.c" \
        "clang -O2 job.c"; do
        command -v "${how%% *}" >/dev/null || continue
        # shellcheck disable=SC2086
        $how -Wall -Wextra -Wpedantic -Werror -I x/include -D_DEFAULT_SOURCE -o "job-$((n += 1))"
    done
    local program
    for program in job-*; do
        x/bin/seep run -q --name "$program" --duration 2s -o run.early_stop=false -- "./$program" >/dev/null 2>&1 3>&- &
    done
    wait
    for program in job-*; do
        case $program in
        job-4) verdict "$program" 'v["marks"] == []' ;;
        *) verdict "$program" '[m["name"] for m in v["marks"]] == ["job"] and v["marks"][0]["count"] > 10' ;;
        esac
        ! nm -u "$program" | grep -v ' w ' | grep -q seep_mark
    done
}

@test "K05 a place from which nothing can be preloaded is said at once: exit 3, with the way out" {
    mv x "x y"
    run "x y/bin/seep" doctor --quick
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" == *"missing  parts of seep"*blank* ]]
}

@test "K06 installed below a path the loader cannot preload from: said in a sentence, the run goes on" {
    cmake --install "$SEEP_BUILD" --prefix "$WORK/two words" >/dev/null
    run "$WORK/two words/bin/seep" run -q --name spaces --duration 2s -- sleep 1
    echo "$output"
    [ "$status" -eq 3 ]
    [[ "$output" != *"cannot be preloaded"* ]]
    [ "$(sqlite3 "$SEEP_RESULTS/spaces/run.db" "select count(*) from event where text like '%preloads nothing from a path with a space%'")" -ge 1 ]
}
