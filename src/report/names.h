// THE one list of what stands in a run's store: series, meta facts and events, by name, with unit and meaning.
//
// run/ writes them, report/ and web/ read them; nobody spells a name out elsewhere. All memory is in bytes as the
// kernel or the probe gave it, summed over the process tree, with nothing subtracted: the report takes the probe's own
// share away. A value that is not known at a tick is simply not written (or NAN), never 0. Text is bytes of the target.
#ifndef SEEP_REPORT_NAMES_H
#define SEEP_REPORT_NAMES_H

// ---- series: name, unit (units_name()), kind --------------------------------------------------------------------
// Resident memory of the tree. smaps_rollup where it was read at that tick, else statm/status.
#define S_RSS       "rss"       // bytes, gauge
#define S_RSS_ANON  "rss.anon"  // bytes, gauge
#define S_RSS_FILE  "rss.file"  // bytes, gauge
#define S_RSS_SHMEM "rss.shmem" // bytes, gauge; contains the probe's region
#define S_SWAP      "swap"      // bytes, gauge
#define S_PSS       "pss"       // bytes, gauge; only at ticks that read smaps_rollup
#define S_PSS_ANON  "pss.anon"
#define S_PSS_FILE  "pss.file"
#define S_PSS_SHMEM "pss.shmem"
#define S_VSIZE     "vsize" // bytes, gauge

#define S_THREADS  "threads"  // count, gauge
#define S_CHILDREN "children" // count, gauge: descendants of the main process, zombies not counted
#define S_ZOMBIES  "zombies"  // count, gauge
#define S_MAPS     "maps"     // count, gauge: mappings
#define S_FD       "fd"       // count, gauge: all open descriptors
// By kind: "fd.socket", "fd.file", "fd.pipe", "fd.epoll", "fd.eventfd", "fd.timerfd", "fd.dir", "fd.memfd", "fd.other".
#define S_FD_PREFIX "fd."

#define S_CPU              "cpu"              // seconds, counter: user + system
#define S_CTXT_VOLUNTARY   "ctxt.voluntary"   // count, counter
#define S_CTXT_INVOLUNTARY "ctxt.involuntary" // count, counter
#define S_FAULTS_MINOR     "faults.minor"     // count, counter
#define S_FAULTS_MAJOR     "faults.major"     // count, counter
#define S_IO_READ          "io.read"          // bytes, counter
#define S_IO_WRITE         "io.write"         // bytes, counter
#define S_CGROUP_MEMORY    "cgroup.memory"    // bytes, gauge
#define S_DISK             "disk"             // bytes, gauge: below the target's working directory, where asked for

// The heap by the probe. heap.live is exact in both modes (sampled: the allocator's or the usable-size counters; meta
// heap.source says which); it is never the sum of samples.
#define S_HEAP_LIVE        "heap.live"        // bytes, gauge
#define S_HEAP_BLOCKS      "heap.blocks"      // count, gauge
#define S_HEAP_ALLOCS      "heap.allocs"      // count, counter
#define S_HEAP_ALLOC_BYTES "heap.alloc_bytes" // bytes, counter
// Of an attached program: blocks from before the attach that were freed, records that were lost and the like, each of
// which may make one block count as live that is not. Growth in blocks is only believed beyond it.
#define S_HEAP_DOUBT "heap.doubt" // count, counter
// The same for mappings that the program makes itself.
#define S_MAPS_DOUBT "maps.doubt" // count, counter
// bytes, gauge: resident part of the allocator's own mappings, from outside; without a probe that tells them apart
// (mmap.anon is absent then) of all anonymous mappings but stacks
#define S_HEAP_RESIDENT "heap.resident"

// bytes, gauge: of the live blocks, whole pages that nobody has written to; they are in heap.live and in no resident
// size
#define S_HEAP_UNTOUCHED "heap.untouched"

// The allocator's own statistics (meta target.allocator names it).
#define S_ALLOC_ALLOCATED "alloc.allocated" // bytes, gauge
#define S_ALLOC_ACTIVE    "alloc.active"
#define S_ALLOC_RESIDENT  "alloc.resident"
#define S_ALLOC_RETAINED  "alloc.retained"
#define S_ALLOC_MAPPED    "alloc.mapped"
#define S_ALLOC_AGE       "alloc.age" // seconds, gauge: how old the statistics are

#define S_THREAD_STACKS "thread_stacks" // bytes, gauge: resident stacks of threads
#define S_MMAP_ANON     "mmap.anon"     // bytes, gauge: resident anonymous mappings that are neither heap nor stack
#define S_PROBE_RSS     "probe.rss"     // bytes, gauge: the probe's region as it counts in rss and rss.shmem
#define S_PROBE_PSS     "probe.pss"     // bytes, gauge: the same in pss and pss.shmem
#define S_PROBE_CPU     "probe.cpu"     // seconds, counter: what the probe itself has measured of its cost
#define S_SEEP_RSS      "seep.rss"      // bytes, gauge: the supervisor itself
#define S_SEEP_CPU      "seep.cpu"      // seconds, counter

// Operations that the target marked (probes/seep_mark.h), labels "name=NAME", NAME any bytes the target chose.
#define S_MARK_COUNT "mark.count" // count, counter: of all processes, also of those that are gone
// For a run that is taken up again: what of the counts is of those that are gone, and, labels "slot=N", which regions
// are counted there and not given back yet.
#define S_MARK_GONE   "mark.gone"   // count, counter
#define S_MARK_FOLDED "mark.folded" // region, gauge
#define S_MARK_PREFIX "mark."

// Faults, labels "fault=NAME": one value an occurrence, with the tick after it.
#define S_FAULT_RECOVERY    "fault.recovery"    // seconds, gauge: from its end to the first good windows
#define S_FAULT_UNRECOVERED "fault.unrecovered" // seconds, gauge: so long without becoming good, and then given up
#define S_FAULT_SPREAD      "fault.spread"      // ratio, gauge: windows in which what it spares was not well
#define S_RESTARTS          "target.restarts"   // count, counter: how often it was started again
// Probes, labels "name=NAME".
#define S_PROBE_RUNS     "probe.runs"     // count, counter
#define S_PROBE_FAILURES "probe.failures" // count, counter
#define S_PROBE_TIME     "probe.time"     // seconds, gauge: how long the last one took
// Of each dependency of the profile, all of its processes together; labels "name=NAME".
#define S_DEP_RSS     "dependency.rss"     // bytes, gauge
#define S_DEP_CPU     "dependency.cpu"     // seconds, counter
#define S_DEP_FD      "dependency.fd"      // count, gauge
#define S_DEP_THREADS "dependency.threads" // count, gauge
// What endpoints were asked for: this and the name of the metric or of the profile's own series; its labels as they are
// exposed, sorted: code="200",path="/x".
#define S_SCRAPED_PREFIX "scraped."

// Load, by the rows of load/series.h: labels "scenario=NAME" and the like; the whole load has labels "". The counters
// are those of struct load_counts.
#define S_HTTP_REQUESTS      "http.requests"  // count, counter: completed, well or not
#define S_HTTP_ERRORS        "http.errors"    // count, counter: the sum of all kinds
#define S_HTTP_OK            "http.ok"        // count, counter
#define S_HTTP_OFFERED       "http.offered"   // count, counter
#define S_HTTP_STARTED       "http.started"   // count, counter
#define S_HTTP_DROPPED       "http.dropped"   // count, counter
#define S_HTTP_CANCELLED     "http.cancelled" // count, counter
#define S_HTTP_LATE          "http.late"      // count, counter
#define S_HTTP_LATE_SELF     "http.late_self" // count, counter
#define S_HTTP_SENT          "http.sent"      // bytes, counter
#define S_HTTP_RECEIVED      "http.received"  // bytes, counter
#define S_HTTP_ERROR_PREFIX  "http.error."    // + load_error_name(kind): count, counter
#define S_HTTP_STATUS_PREFIX "http.status."   // + the status code, or "other" beyond 32 of them: count, counter
#define S_HTTP_P50           "http.p50"       // s, gauge: latency of the requests finished within the tick
#define S_HTTP_P90           "http.p90"
#define S_HTTP_P95           "http.p95"
#define S_HTTP_P99           "http.p99"
#define S_HTTP_P999          "http.p999"
// Of a transaction http.requests are its passes, http.errors those that failed, http.pNN and http.latency their
// durations.
#define S_LOAD_ITERATIONS "load.iterations"        // count, counter: ways through a scenario
#define S_LOAD_FAILED     "load.iterations_failed" // count, counter: of them, in which a step failed
// The user's own metrics (load/metrics.h), labels "name=NAME".
#define S_METRIC_TOTAL "metric.total" // count, counter: values, cases, additions
#define S_METRIC_HITS  "metric.hits"  // count, counter: of a rate
#define S_METRIC_SUM   "metric.sum"   // the metric's unit, counter: of a trend's values and of a counter
// The generator (struct load_generator), labels "".
#define S_LOAD_RUNNING         "load.running"         // s, counter: time with the load on
#define S_LOAD_CPU             "load.cpu"             // s, counter
#define S_LOAD_BUSIEST         "load.cpu_busiest"     // s, counter: of the worker that used most
#define S_LOAD_WORKERS         "load.workers"         // count, gauge: processes
#define S_LOAD_LOST            "load.workers_lost"    // count, gauge: gone before their time
#define S_LOAD_PROGRAMS        "load.programs"        // count, counter: runs of other programs (exec) that ended
#define S_LOAD_PROGRAMS_FAILED "load.programs_failed" // count, counter: of them
#define S_LOAD_RSS             "load.rss"             // bytes, gauge
#define S_LOAD_CONNECTIONS     "load.connections"     // count, counter
#define S_LOAD_RETRIED         "load.retried"         // count, counter: requests sent once more
#define S_LOAD_LAG_COUNT       "load.lag_count"       // count, counter
#define S_LOAD_LAG_SUM         "load.lag_sum"         // s, counter
#define S_LOAD_LAG_MAX         "load.lag_max"         // s, gauge: the worst so far
#define S_LOAD_FULL            "load.full"            // s, counter: all connections in use
#define S_LOAD_TARGET_RATE     "load.target_rate"     // 1/s, gauge
// store_histogram(), load/hist.h blobs over the whole run so far, labels as above.
#define H_HTTP_LATENCY  "http.latency"
#define H_HTTP_SERVICE  "http.service"
#define H_LOAD_DURATION "load.duration" // of ways through a scenario of several steps
#define H_METRIC_VALUES "metric.values" // of a trend; in what steps says load/metrics.h
// The same kind of blob for a window: the latencies of the requests finished since the window before, ending at tick
// INDEX. At most some 300 windows a run. Labels H_WINDOW_LABELS of the series' labels, "," unless those are "", and
// index. Gates with `over: last 5m` or `each` on a quantile need them.
#define H_HTTP_WINDOW   "http.latency.window"
#define H_METRIC_WINDOW "metric.values.window"
#define H_WINDOW_LABELS "%s%stick=%lld"

// ---- stacks ---------------------------------------------------------------------------------------------------
// Stack points go with every k-th tick, k chosen so that a planned run has 48 to 96 of them (at least 24 in short
// runs): the per-stack test uses 48, more only cost disk. The last measured tick always carries them.

// ---- meta -----------------------------------------------------------------------------------------------------
// Times are decimal nanoseconds of the real clock, durations decimal seconds, yes/no the words "yes" and "no".
#define M_RUN                "run"      // the run id
#define M_PROFILE            "profile"  // profile_dump(redact)
#define M_ARGV               "argv"     // JSON array of strings, redacted
#define M_REDACTED           "redacted" // what was redacted, a sentence; absent: nothing
#define M_VERSION            "seep.version"
#define M_STARTED            "started"            // when the target was started (real ns)
#define M_INTERVAL           "interval"           // seconds between ticks
#define M_DURATION           "duration"           // planned seconds of the measure phase
#define M_HEAP_SOURCE        "heap.source"        // "requested bytes", "usable size", "jemalloc stats.allocated", ...
#define HEAP_SOURCE_STATS    "stats.allocated"    // ends the value where an allocator tells what it has handed out
#define M_ATTRIBUTION        "attribution"        // "exact", "sampled", "off", "failed"
#define M_ATTRIBUTION_REASON "attribution.reason" // a sentence, when failed or off
#define M_SAMPLING_MEAN      "attribution.mean"   // bytes, in sampled mode
#define M_ATTACHED           "attached" // "PID STARTTIME" of a program that ran before seep; absent: seep started it
#define M_TAP                "attribution.uprobes"  // what watching from outside came to, a sentence
#define M_COVERAGE           "attribution.coverage" // ratio of walks that agreed with libunwind, "0.9998"
#define M_MAIN_PHASE         "phase"                // the present phase of a run that goes on

#define M_HOST_NAME   "host.name"
#define M_HOST_KERNEL "host.kernel"
#define M_HOST_OS     "host.os"
#define M_HOST_CPUS   "host.cpus"
#define M_HOST_MEMORY "host.memory" // bytes
#define M_HOST_LIBC   "host.libc"
#define M_HOST_CGROUP "host.cgroup" // "v2 at /...", "none: no permission"

#define M_TARGET_PID       "target.pid"
#define M_TARGET_EXE       "target.exe" // path of the main executable after exec
#define M_TARGET_SHA256    "target.sha256"
#define M_TARGET_BUILD_ID  "target.build_id"
#define M_TARGET_ALLOCATOR "target.allocator" // "jemalloc 5.3.0", "glibc 2.36"
#define M_TARGET_VERSION   "target.version"   // where it could be found
#define M_TARGET_IDENTITY  "target.identity"  // JSON array of {"path","sha256","build_id"}
#define M_TARGET_FILES     "target.files"     // descriptors it may have at once (RLIMIT_NOFILE), as it last set it
#define M_READY_S          "ready.s"          // seconds until ready
#define M_READY_HOW        "ready.how"        // "http http://127.0.0.1:8080/health"

// How the target ended.
#define M_EXIT_KIND     "exit.kind"     // "exited", "signaled", "oom", "unknown"; absent while it runs
#define M_EXIT_STATUS   "exit.status"   // exit status
#define M_EXIT_SIGNAL   "exit.signal"   // signal number
#define M_EXIT_CORE     "exit.core"     // yes/no
#define M_EXIT_SENTENCE "exit.sentence" // the obituary, one sentence

// How the run went. outcome: "completed", "early_stop", "stopped" (seep stop), "target_failed", "interrupted", "error".
#define M_OUTCOME          "outcome"
#define M_OUTCOME_SENTENCE "outcome.sentence"
#define M_OUTCOME_SIGNAL   "outcome.signal" // the number, when interrupted

// Marks of a run that is never pruned; any value.
#define M_SEALED   "sealed"
#define M_BASELINE "baseline"

// The checksum of all else that the run's files hold, as it was when the run ended: report/digest.h.
#define M_DIGEST "digest"
// What `seep confirm` found under valgrind: JSON seep.confirm/1; the last one.
#define M_CONFIRM "confirm"

// What gates with "vs: baseline" are compared with: JSON {"run", "values": [{"gate", "over", "over_s", "value"}]},
// taken from the baseline run when this one began, so that the verdict can be recomputed without it.
#define M_BASELINE_VALUES "baseline.values"

// Facts of the shutdown; the report judges them by the profile.
#define M_SHUTDOWN_SKIPPED       "shutdown.skipped" // why there was none, a sentence; nothing else below is then read
#define M_SHUTDOWN_SIGNAL        "shutdown.signal"  // number that was sent
#define M_SHUTDOWN_SENT          "shutdown.sent"    // real ns
#define M_SHUTDOWN_AFTER         "shutdown.after" // seconds from the signal to the end; absent: it never ended by itself
#define M_SHUTDOWN_REST          "shutdown.rest" // "yes": the main process had ended before, the tree was what was stopped
#define M_SHUTDOWN_KILLED        "shutdown.killed"         // "yes" when the ladder had to go on (KILL)
#define M_SHUTDOWN_CHILDREN      "shutdown.children"       // number of descendants left behind
#define M_SHUTDOWN_CHILDREN_WHAT "shutdown.children.names" // their names, for the sentence
#define M_SHUTDOWN_PORT          "shutdown.port"       // yes/no: every listening port is free again; absent: none known
#define M_SHUTDOWN_PORT_WHAT     "shutdown.port.names" // "tcp 127.0.0.1:8080"
#define M_SHUTDOWN_FILES         "shutdown.files"      // socket files left behind, "" for none; absent: not looked
// The levels before the signal are found from the ticks: PHASE_BASELINE against PHASE_CLOSE.

#define M_LOAD_HOUR "load.hour" // the last hour of the load, a line a minute (run/hour.c)
#define M_LOAD_SATURATED                                                                                               \
    "load.saturated" // a sentence, when the generator was the bottleneck: http gates then decide nothing

// Memory scans (scan/scan.h). Per stack: key M_UNREACHABLE_PREFIX + stack id, value "BLOCKS CHECKED SCANS AGREED
// UNDECIDED": blocks lost, of so many decided, in so many scans, of which so many came to that answer.
#define M_UNREACHABLE_PREFIX "unreachable."
// Who holds the reachable ones: key M_HOLDER_PREFIX + stack id, and M_ENTRY_PREFIX where the blocks hold each other:
// "KIND BLOCKS STACK TID OFFSET PATH": scan_holder_word(), blocks pointed at, the store's id of a stack, a thread's id,
// a link-time address in hexadecimal, and a path, which may be empty.
#define M_HOLDER_PREFIX "holder."
#define M_ENTRY_PREFIX  "entry."
#define M_SCAN_CPU      "scan.cpu" // seconds of CPU that all scans took together

// A fault under way, key M_FAULT_PREFIX + its name: "MONO REAL BOOT COUNT", when it began in ns and the how manieth
// time; empty when it is over. Only a supervisor that takes over from one that died reads it.
#define M_FAULT_PREFIX "fault.active."

// ---- events: kind ------------------------------------------------------------------------------------------------
#define E_GAP       "gap"       // from..to without samples; count = ticks missed
#define E_PAUSED    "paused"    // the target was stopped (SIGSTOP, freezer): cut out of every fit
#define E_SUSPENDED "suspended" // the machine slept: cut out likewise
#define E_LOST      "lost"      // count events lost between probe and store
#define E_DEGRADED  "degraded"  // something is not measured from here on
#define E_RESTART   "restart"   // the target was started again
// "NAME: what was done."; count is the how manieth time.
#define E_FAULT "fault"
// "NAME: recovered ..." or "NAME: not recovered ...", from the fault's end on.
#define E_RECOVERY "recovery"
#define E_PROBE    "probe"   // a probe failed, or is well again
#define E_SCRAPE   "scrape"  // an endpoint did not answer, or answers again
#define E_PROCESS  "process" // a child came, went, or could not be instrumented
#define E_PHASE    "phase"   // a phase began; text is its name
#define E_LOAD     "load"    // the load changed or failed
#define E_WARNING  "warning"
#define E_AFTER    "after" // came after the verdict was stored, and is no part of it: run.on_finish failed

#endif
