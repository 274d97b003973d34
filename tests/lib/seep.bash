# What every case needs: where seep is, a results directory of its own, free ports, waiting with a limit, and the check that nothing
# is left behind.
seep_setup() {
    SEEP_SOURCE=${SEEP_SOURCE:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)}
    SEEP_BUILD=${SEEP_BUILD:-$SEEP_SOURCE/build}
    SEEP=$SEEP_BUILD/bin/seep
    TARGETS=$SEEP_BUILD/targets
    WORK=$(mktemp -d "${TMPDIR:-/tmp}/seep-case.XXXXXX")
    export SEEP_RESULTS=$WORK/results
    cd "$WORK" || return 1
}

# Every process of a run carries the work directory in its environment or arguments; none may be left.
seep_left() {
    local pid line
    for pid in $(grep -lzxF "SEEP_RESULTS=$SEEP_RESULTS" /proc/[0-9]*/environ 2>/dev/null | cut -d/ -f3); do
        [ "$pid" != $$ ] && [ "$pid" != "$BASHPID" ] || continue
        line=$({ tr '\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null) || continue
        case "$line" in
        *bats* | *"bash "*seep.bash* | "" | "grep "* | "tr "* | "cut "*) ;;
        *) echo "$pid $line" ;;
        esac
    done
}

seep_teardown() {
    cd / || return 1
    local left tries
    for tries in $(seq 20); do
        left=$(seep_left)
        [ -n "$left" ] || break
        sleep 0.1
    done
    if [ -n "$left" ]; then
        echo "left behind: $left" >&2
        local pid
        while read -r pid _; do kill -9 "$pid" 2>/dev/null; done <<<"$left"
        [ -n "${KEEP:-}" ] || rm -rf "$WORK"
        return 1
    fi
    [ -n "${KEEP:-}" ] || rm -rf "$WORK"
}

# Another user's run needs programs it can read, and the build may lie below /root: an installed copy in the work directory.
seep_for_all_users() {
    chmod 755 "$WORK"
    cmake --install "$SEEP_BUILD" --prefix "$WORK/seep" >/dev/null
    cp -r "$SEEP_BUILD/targets" "$WORK/targets"
    SEEP=$WORK/seep/bin/seep
    TARGETS=$WORK/targets
}

# Below those that the kernel gives to connections: a client of some other test cannot take it before the server is up.
free_port() {
    python3 - <<'PY'
import random, socket
try:
    most = int(open("/proc/sys/net/ipv4/ip_local_port_range").read().split()[0])
except OSError:
    most = 32768
while True:
    port = random.SystemRandom().randrange(10000, most) if most > 12000 else 0
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
            print(s.getsockname()[1])
            break
        except OSError:
            pass
PY
}

# wait_for SECONDS COMMAND...: until the command succeeds, asking every 50 ms. A machine that is busy with other things is given a
# minute for anything.
wait_for() {
    local end=$((SECONDS + ($1 < 60 ? 60 : $1)))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

# decide RUN-NAME OPTION...: seep run under that name, with its output and exit status. One that decides nothing (3) is made anew, up
# to twice: for tests of what is decided, on a machine whose other work may take the samples from a run.
decide() {
    local name=$1 try status=0
    shift
    for try in 1 2 3; do
        status=0
        "$SEEP" run -q --name "$name" "$@" || status=$?
        [ "$status" -eq 3 ] && [ "$try" -lt 3 ] || return "$status"
        echo "# $name decided nothing; once more"
        rm -rf "${SEEP_RESULTS:?}/${name:?}"
    done
}

# sampled RUN-NAME [N]: it took samples, at least N, and none is missing without a word.
sampled() {
    verdict "$1" "(lambda e: e['samples'] >= ${2:-3} and e['samples'] + sum(g['missed'] for g in e['gaps']) >= e['expected'])(v['evidence'])"
}

# verdict RUN-NAME PYTHON-EXPRESSION: evaluates over the verdict as `v`; prints the value, and if it is not true what the
# expression may have looked at.
verdict() {
    python3 - "$SEEP_RESULTS/$1/verdict.json" "$2" <<'PY'
import json, sys, traceback
v = json.load(open(sys.argv[1]))
try:
    r = eval(sys.argv[2])
except Exception:
    traceback.print_exc(limit=1, file=sys.stdout)
    r = None
print(r)
if r in (False, None):
    short = lambda x, n=400: x if len(x := json.dumps(x)) <= n else x[:n] + "..."
    print("not so:", sys.argv[2])
    print("run", v["run"], "verdict", v["verdict"], "exit", v["exit_code"], "target", short(v["target"].get("exit")))
    print("evidence", short(v["evidence"], 1600))
    for key, most in ("gates", 20), ("events", 25):
        for x in v[key][:most]:
            print(key, short(x))
    print("explained", short([(x["part"], x["slope_bytes_per_hour"]) for x in v["explained"] or []], 800))
    for key, x in v["growth"].items():
        print("growth", key, x["verdict"], short(x["reason"]))
    for s in v["stacks"][:8]:
        frames = [f["function"] or f["module"] for f in s["frames"][:8]]
        print("stack", short({k: s[k] for k in ("grows", "slope_bytes_per_hour", "ci90", "live_bytes", "live_blocks", "class",
                                                "unreachable", "holder", "entry", "per_op", "truncated")}, 700))
        print("     ", " < ".join(map(str, frames)))
    print("shutdown", short(v["shutdown"], 300))
    print("load", short({k: x for k, x in (v["load"] or {}).items() if not isinstance(x, (dict, list))}, 600))
    print("faults", short(v["faults"], 800))
    sys.exit(1)
PY
}

# valid_verdict RUN-NAME: against the schema we ship.
valid_verdict() {
    python3 - "$SEEP_SOURCE/docs/schema/seep.verdict.1.json" "$SEEP_RESULTS/$1/verdict.json" <<'PY'
import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[2])), json.load(open(sys.argv[1])))
PY
}
