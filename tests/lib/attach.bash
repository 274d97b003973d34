# What cases of seep attach share: targets of their own, several watched at a time, and what is known of a run.
setup() {
    seep_setup
    TARGET=
    MORE=()
    WATCH=()
    AS=()
}
teardown() {
    local pid all=()
    # Workers outlive a master that is killed, and would keep the test's output open.
    for pid in $TARGET "${MORE[@]}"; do all+=("$pid" $(pgrep -P "$pid")); done
    for pid in "${all[@]}" "${WATCH[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    seep_teardown
}

STACKS='gates=["stack.growth < 1MB/h"]'
FAST=(--duration 8s --interval 100ms)

# Which way of watching this machine allows is doctor's to say; here only whether there is one.
needs_uprobes() {
    [ "$(id -u)" = 0 ] || skip "uprobes need root"
    "$SEEP" doctor --quick -f json | python3 -c '
import json, sys
f = [f for f in json.load(sys.stdin)["facts"] if f["name"] == "uprobes"][0]
sys.exit(0 if f["status"] != "missing" and (len(sys.argv) < 2 or sys.argv[1] in f["text"]) else 1)' "$@" || skip "no uprobes here"
}

is_ready() { grep -q ready out.txt; }
kind() { # kind KIND [ARG]: a target of its own, once it is ready
    "$TARGETS/attach_kinds" "$@" >out.txt 2>&1 &
    TARGET=$!
    wait_for 20 is_ready
}
web_server() { # nginx with two workers as the target, on $port
    command -v nginx >/dev/null || skip "no nginx"
    port=$(free_port)
    mkdir -p ngx/logs
    printf 'daemon off; master_process on; worker_processes 2; pid %s; error_log %s; events {}\nhttp { access_log off; server { listen 127.0.0.1:%s; location / { return 200 ok; } } }\n' \
        "$WORK/ngx/pid" "$WORK/ngx/logs/e" "$port" >ngx/conf
    nginx -p "$WORK/ngx" -c "$WORK/ngx/conf" >out.txt 2>&1 &
    TARGET=$!
    wait_for 20 curl -fs "http://127.0.0.1:$port/" -o /dev/null
}
# Several at a time: watching takes no processor, only time. watch NAME KIND [ARG]... starts one of a kind and watches it; its
# output goes to NAME.txt, and watched NAME waits for it and sets status and output as run does.
watch() {
    local name=$1
    shift
    "$TARGETS/attach_kinds" "$@" >"$name.out" 2>&1 &
    MORE+=("$!")
    wait_for 20 grep -q ready "$name.out"
    watch_pid "$name" "${MORE[-1]}"
}
declare -gA WATCH
watch_pid() { # watch_pid NAME PID: one that runs already; AS: what seep is run by, such as setpriv with its options
    "${AS[@]}" "$SEEP" attach -q --name "$1" "${FAST[@]}" -o "${GATES:-$STACKS}" "$2" >"$1.txt" 2>&1 &
    WATCH[$1]=$!
}
watched() {
    status=0
    wait "${WATCH[$1]}" || status=$?
    unset "WATCH[$1]" # another may have its number from now on
    output=$(<"$1.txt")
    echo "$output"
}
gone() { ! kill -0 "$1" 2>/dev/null; }
supervisor() { "$SEEP" status "$1" | sed -n 's/.*supervisor \([0-9]*\).*/\1/p' | head -n 1; }
samples() { "$SEEP" status "$1" | sed -n 's/.* \([0-9]*\) samples.*/\1/p' | head -n 1; }
has_samples() { local n; n=$(samples "$1") && [ "${n:-0}" -ge "$2" ]; }
first_function() { verdict "$1" '[f["function"] for s in v["stacks"][:1] for f in s["frames"] if f["library"] != "yes"][0]'; }
