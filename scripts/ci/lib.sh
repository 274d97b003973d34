# What the jobs share; sourced. SEEP is the program (default: seep in PATH).
# shellcheck shell=bash
SEEP=${SEEP:-seep}

# publish NAME DIR [BASE]: every format of run NAME as DIR; on GitHub also the job's summary and annotations.
publish() {
    local name=$1 dir=$2 base=${3:-}
    "$SEEP" report "$name" -f all ${base:+--baseline "$base"} -O "$dir" || return
    if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
        "$SEEP" report "$name" -f md --limit 1000KiB >>"$GITHUB_STEP_SUMMARY"
        cat "$dir/annotations.txt"
    fi
}

# usage SCRIPT: the comment at its head.
# replace NAME: room for a run of this name in $SEEP_RESULTS. What a job before left there, in a workspace that nobody cleaned, goes;
# a baseline, sealed evidence and a run that goes on stay, and then it fails.
replace() {
    local old=$SEEP_RESULTS/$1 aside stays=''
    [ -e "$old" ] || return 0
    aside=$(mktemp -d "$SEEP_RESULTS.XXXXXX")
    mv "$old" "$aside/"
    SEEP_RESULTS=$aside "$SEEP" runs --prune --keep 1ms >/dev/null || true
    if [ -e "$aside/$1" ]; then
        mv "$aside/$1" "$old"
        stays=yes
        echo "${0##*/}: the run $1 in $SEEP_RESULTS is a baseline, sealed evidence, or goes on, and stays; choose another directory" >&2
    fi
    rm -rf "$aside"
    [ -z "$stays" ]
}

usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

refuse() { # refuse SCRIPT WORDS...
    local script=$1
    shift
    echo "${script##*/}: $*" >&2
    exit 2
}
