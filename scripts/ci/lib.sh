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
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$1"; }

refuse() { # refuse SCRIPT WORDS...
    local script=$1
    shift
    echo "${script##*/}: $*" >&2
    exit 2
}
