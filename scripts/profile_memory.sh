#!/usr/bin/env bash
# Seven commands for the memory of a program, each thin over seep. Run from anywhere; results go to $SEEP_RESULTS or ./results.
#   profile_memory.sh short [OPTION]... [-- CMD ARG...]       ten minutes with exact call stacks (-p pr-10m)
#   profile_memory.sh long [OPTION]... [-- CMD ARG...]        24 hours, a sample every 5 minutes (-p nightly-24h)
#   profile_memory.sh comparison [OPTION]... -- CMD_A... -- CMD_B...   the same soak of two implementations, and what differs
#   profile_memory.sh comparison RUN_A RUN_B                  of two runs that are there already
#   profile_memory.sh cleanup [OPTION]... [-- CMD ARG...]     does memory come back after the load, within 10 MB, and does it shut down well
#   profile_memory.sh profiler [OPTION]... [-- CMD ARG...]    where memory grows: ranked call stacks, flame graph, pprof
#   profile_memory.sh monitor PID FILE.csv [OPTION]...        memory of a process that runs already, as a table that grows (seep attach; 10 minutes)
#   profile_memory.sh report [SECTION=RUN]...                 the performance report of these runs, or of all that are there
# OPTION is any option of `seep run`, e.g. -p ours.yaml, -d 2m, -o key=value, --name ID. Exit status: that of seep.
set -euo pipefail
SEEP=${SEEP:-seep}
usage() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }
refuse() { echo "profile_memory.sh: $*" >&2; exit 2; }
command=${1:-}
[ $# -eq 0 ] || shift
unset SEEP_RUN # of a run.on_finish that calls us

# soak NAME OPTION...: the run's exit status
soak() {
    local name=$1
    shift
    "$SEEP" run --name "$name" "$@"
}

# Options that are ours to know, too, because more commands follow the run: its name and the directory of results.
stamp=$(date -u +%Y%m%d-%H%M%S)
asked='' options=() rest=()
take_names() {
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        case $1 in
        --name=*) asked=${1#*=} ;;
        --results=*) export SEEP_RESULTS=${1#*=} ;;
        --name) asked=${2?--name needs a value} && shift ;;
        --results) export SEEP_RESULTS=${2?--results needs a directory} && shift ;;
        *) options+=("$1") ;;
        esac
        shift
    done
    rest=("$@")
}

comparison() {
    local first=() second=() part=0 word code=0 a b
    if [ $# -eq 2 ] && [[ $1 != -* && $2 != -* ]]; then exec "$SEEP" compare "$1" "$2"; fi
    take_names "$@"
    a=a-${asked:-$stamp} b=b-${asked:-$stamp}
    for word in "${rest[@]}"; do
        if [ "$word" = -- ] && [ $part -lt 2 ]; then part=$((part + 1)); continue; fi
        case $part in 1) first+=("$word") ;; 2) second+=("$word") ;; esac
    done
    if [ ${#first[@]} -eq 0 ] || [ ${#second[@]} -eq 0 ]; then
        refuse "comparison needs two commands, each after --, or two runs"
    fi
    soak "$a" -p pr-10m -o run.early_stop=false "${options[@]}" -- "${first[@]}" || code=$?
    case $code in 2 | 6 | 130 | 143) return "$code" ;; esac
    code=0
    soak "$b" -p pr-10m -o run.early_stop=false "${options[@]}" -- "${second[@]}" || code=$?
    case $code in 2 | 6 | 130 | 143) return "$code" ;; esac
    "$SEEP" compare "$a" "$b"
}

profiler() {
    local name code=0
    take_names "$@"
    name=${asked:-profiler-$stamp}
    soak "$name" -p investigate "${options[@]}" "${rest[@]}" || code=$?
    case $code in 2 | 6) return "$code" ;; esac
    "$SEEP" stacks "$name"
    "$SEEP" report "$name" -f all -O "${SEEP_RESULTS:-results}/$name.reports"
    echo "report  ${SEEP_RESULTS:-results}/$name.reports (flame graph in report.html, growth.pb.gz for pprof)"
    return "$code"
}

monitor() {
    if [ $# -lt 2 ] || [[ ! $1 =~ ^[0-9]+$ ]]; then refuse "monitor needs the id of a process and a file"; fi
    local pid=$1 file=$2 name code=0 watcher
    shift 2
    take_names "$@"
    name=${asked:-monitor-$stamp}
    "$SEEP" attach -q --name "$name" -d 10m -o attribution.mode=off "${options[@]}" "$pid" >/dev/null &
    watcher=$!
    trap 'kill -TERM "$watcher" 2>/dev/null || true' INT TERM
    while kill -0 "$watcher" 2>/dev/null; do # FILE is replaced as a whole: whoever looks finds a whole table (tail -F)
        sleep "${SEEP_MONITOR_S:-2}"
        "$SEEP" report "$name" -f csv -O "$file" 2>/dev/null || true
    done
    wait "$watcher" || code=$?
    trap - INT TERM
    case $code in 2 | 6) return "$code" ;; esac
    "$SEEP" report "$name" -f csv -O "$file" # the table; what it comes to is another command's business
}

report() {
    local runs=()
    if [ $# -eq 0 ]; then
        mapfile -t runs < <("$SEEP" runs | awk '$2 != "no" && $2 != "unreadable" && $2 != "are" {print $1}' | tail -n 64)
        [ ${#runs[@]} -gt 0 ] || refuse "there are no runs that have ended"
        set -- "${runs[@]}"
    fi
    "$SEEP" dossier "$@" -f md -O "performance-$stamp.md"
    "$SEEP" dossier "$@" -f html -O "performance-$stamp.html"
    echo "report  performance-$stamp.md, performance-$stamp.html"
}

case "$command" in
short) soak "short-$stamp" -p pr-10m "$@" ;;
long) soak "long-$stamp" -p nightly-24h "$@" ;;
comparison) comparison "$@" ;;
cleanup) soak "cleanup-$stamp" -p pr-10m -d 2m -o run.early_stop=false -o 'gates=[rss.total_growth < 100MB]' -o shutdown.back_to_baseline=10MB "$@" ;;
profiler) profiler "$@" ;;
monitor) monitor "$@" ;;
report) report "$@" ;;
--help | help) usage ;;
*) usage >&2; refuse "say short, long, comparison, cleanup, profiler, monitor or report" ;;
esac
