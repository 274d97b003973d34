#!/usr/bin/env bats
# The probe in trouble: whatever happens to attribution, the target runs as it would without, and the verdict says what is missing.
bats_require_minimum_version 1.5.0
load ../lib/seep.bash
setup() { seep_setup; }
teardown() { seep_teardown; }

@test "R01 a probe that hangs in one thread is turned off: the target goes on, the verdict says DEGRADED" {
    cmake --install "$SEEP_BUILD" --prefix "$WORK/seep" >/dev/null
    cp "$SEEP_BUILD/tests/hanging/libseep-probe.so" "$WORK/seep/lib/libseep-probe.so" # the same probe with a fault built in
    run -3 "$WORK/seep/bin/seep" run --name hang --duration 9s -o target.life=service -o 'gates=["stack.growth < 1MB/h", "heap.growth < 1MB/h"]' -- \
        "$TARGETS/probe_hangs"
    echo "$output"
    valid_verdict hang
    grep -qx "came back" "$SEEP_RESULTS/hang/target.log"
    verdict hang 'v["evidence"]["store"] == "degraded"'
    verdict hang '"held up a thread" in v["evidence"]["attribution_reason"] and all(g["status"] == "inconclusive" for g in v["gates"])'
    verdict hang 'any(e["kind"] == "degraded" and "turned off" in e["text"] for e in v["events"])'
    grep -q DEGRADED <<<"$output"
}

# A root with an older C library, unpacked: tests/fault/old-libc makes one. Its programs have no dlsym.
@test "R02 a program of an older C library is attributed like any other; after chroot into one the loader says a line and it runs on" {
    [ -n "${SEEP_OLD_LIBC:-}" ] || skip "SEEP_OLD_LIBC names no root with an older C library (tests/fault/old-libc makes one)"
    local lib=$SEEP_OLD_LIBC/lib/x86_64-linux-gnu loader
    loader=$(echo "$lib"/ld-2.*.so)
    cat >child.sh <<SH
$loader --library-path $lib $SEEP_OLD_LIBC/bin/busybox awk 'BEGIN { for (i = 0; i < 20000; i++) { a[i] = i "xxxxxxxxxxxxxxxx"; if (i % 40 == 0) system("sleep 0.01") } print "old and well" }'
[ "\$(id -u)" != 0 ] || chroot $SEEP_OLD_LIBC /bin/busybox echo in the chroot
SH
    run "$SEEP" run --name old --duration 60s -o target.life=job -- sh child.sh
    echo "$output"
    cat "$SEEP_RESULTS/old/target.log"
    grep -qx "old and well" "$SEEP_RESULTS/old/target.log"
    [ "$(id -u)" != 0 ] || grep -qx "in the chroot" "$SEEP_RESULTS/old/target.log"
    verdict old 'any("(ld-2" in e["text"] and e["text"].endswith("is attributed.") for e in v["events"] if e["kind"] == "process")'
    verdict old 'v["exit"]["code"] == 0 if "exit" in v else True'
}

@test "R03 more call stacks than there is room for: said, and the recording stays small" {
    run "$SEEP" run --name many --duration 30s -o target.life=job -o attribution.memory=32MiB -- "$TARGETS/many_stacks" 200000 1 5
    echo "$output"
    cat "$SEEP_RESULTS/many/target.log"
    grep -qx "200000 100000 2400000" "$SEEP_RESULTS/many/target.log"
    verdict many 'any(e["kind"] == "lost" and "(other)" in e["text"] for e in v["events"])'
    [ "$(stat -c %s "$SEEP_RESULTS/many/run.db")" -lt 60000000 ]
}

# A limit on file sizes is the one way to have memfd regions refused without filling the machine's memory.
@test "R04 no memory for a region: said, not attributed, the target and the run go on" {
    run prlimit --fsize=9000000:unlimited "$SEEP" run --name small --duration 4s -o target.life=service \
        -o 'gates=["stack.growth < 1MB/h"]' -- "$TARGETS/workload"
    echo "$output"
    [ "$status" -eq 3 ]
    valid_verdict small
    verdict small 'v["evidence"]["attribution"] == "failed" and v["gates"][0]["status"] == "inconclusive"'
    verdict small 'any(e["kind"] == "degraded" and "memory for attribution is used up" in e["text"] for e in v["events"])'
    verdict small 'v["shutdown"]["status"] == "pass"'
    sampled small
}

@test "R05 plug-ins the probe does not see into: bound to the allocator itself, or in a namespace of their own; unharmed and named" {
    run -3 "$SEEP" run --name deep --duration 6s -o target.life=job -- "$TARGETS/harm_namespaces" "$TARGETS" 300 3
    grep -qx "to and fro 300 of 300" "$SEEP_RESULTS/deep/target.log"
    grep -qx "in a namespace of its own 300 of 300" "$SEEP_RESULTS/deep/target.log"
    verdict deep 'any("is attributed" in e["text"] and "dlmopen" in e["text"] for e in v["events"] if e["kind"] == "process")'
}

@test "R06 a program that is executed after chroot, where there is no probe: it runs as it does without, and the loader says a line at most" {
    [ "$(id -u)" = 0 ] || skip "only root can chroot"
    local library
    mkdir -p root
    cp "$TARGETS/harm_identity" root/
    ldd "$TARGETS/harm_identity" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "root$(dirname "$library")"
        cp "$library" "root$library"
    done
    local words="chroot $WORK/root exec /harm_identity nobody"
    "$TARGETS/harm_identity" $words >bare 2>&1
    [ "$(grep -c 'after start' bare)" -eq 2 ]
    # shellcheck disable=SC2016
    run "$SEEP" run -q --name jail --duration 30s -o target.life=job -- sh -c '"$0" "$@" >probed 2>errors' "$TARGETS/harm_identity" $words
    diff bare probed
    cat errors
    [ "$(wc -l <errors)" -le 1 ] # the loader's: it has no such file to preload
    [ ! -s errors ] || grep -q 'cannot be preloaded' errors
}
