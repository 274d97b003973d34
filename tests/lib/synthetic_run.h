// A run written through the store's own writer, as `seep run` would: for tests of everything that reads runs.
#ifndef SEEP_TESTS_SYNTHETIC_RUN_H
#define SEEP_TESTS_SYNTHETIC_RUN_H

#include "store_rig.h"

#include "load/hist.h"
#include "report/report.h"

enum { SYNTH_SNAPSHOTS = 48 };

// Hundreds of synchronous writes a run: in memory where that is, since what a reader of runs does never depends on it.
static inline int synth_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    *state = r;
    return r == NULL ? -1 : rig_begin(r, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
}

struct synth {
    int ticks; // of the measure phase
    double interval_s;
    int stacks;             // the first leaks, the second fills and stops, the third is start-up, the others churn
    double leak_per_s;      // bytes per second of the first stack, 0: nothing leaks
    double leak_in_other;   // the same of (other), which then is the last one
    int idle_ticks;         // baseline and close, each; 0: without these phases and without a load
    int lose_from, lose_to; // ticks that were never taken, [from, to)
    const char *name;       // of functions, files, modules, scenario; NULL: sensible ones
    const char *profile;    // YAML; NULL: one with gates
    const char *no_stacks;  // why attribution failed; then no heap either
    const char *outcome;    // NULL: "completed"
    const char *shutdown_after;
    bool maps_untold; // nobody told the program's own mappings apart from the allocator's, as with an attached program
};

static const char synth_profile[] = "version: 1\nname: synthetic\n"
                                    "target: { command: [./server, --port, \"8080\"], life: service }\n"
                                    "run: { duration: 24h, interval: 5m }\n"
                                    "gates:\n  - heap.growth < 1MB/h\n  - stack.growth < 1MB/h\n"
                                    "  - rss.total_growth < 200MB\n  - fd.growth < 1/h\n"
                                    "shutdown: { signal: TERM, within: 10s, back_to_baseline: 10MB }\n";

// Deterministic noise in -1..1.
static inline double synth_noise(uint32_t *state)
{
    *state = (uint32_t)((1103515245ull * *state + 12345) & 0x7fffffff);
    return (double)*state / 0x40000000 - 1;
}

struct synth_ids {
    uint32_t rss, anon, file, shmem, pss, vsize, heap, blocks, allocs, resident, stacks, mmap, probe, fd, fd_socket,
        threads, cpu, probe_cpu, seep_cpu, requests, errors, ok, all_requests, p50, p99, p999;
};

static inline void synth_series(struct store *st, const struct synth *s, struct synth_ids *id)
{
    char scenario[300];
    snprintf(scenario, sizeof scenario, "scenario=%s", s->name ? s->name : "login");
    const struct {
        const char *name, *labels, *unit;
        enum store_series_kind kind;
        uint32_t *id;
    } rows[] = {
        {S_RSS, "", "bytes", SERIES_GAUGE, &id->rss},
        {S_RSS_ANON, "", "bytes", SERIES_GAUGE, &id->anon},
        {S_RSS_FILE, "", "bytes", SERIES_GAUGE, &id->file},
        {S_RSS_SHMEM, "", "bytes", SERIES_GAUGE, &id->shmem},
        {S_PSS, "", "bytes", SERIES_GAUGE, &id->pss},
        {S_VSIZE, "", "bytes", SERIES_GAUGE, &id->vsize},
        {S_HEAP_LIVE, "", "bytes", SERIES_GAUGE, &id->heap},
        {S_HEAP_BLOCKS, "", "", SERIES_GAUGE, &id->blocks},
        {S_HEAP_ALLOCS, "", "", SERIES_COUNTER, &id->allocs},
        {S_HEAP_RESIDENT, "", "bytes", SERIES_GAUGE, &id->resident},
        {S_THREAD_STACKS, "", "bytes", SERIES_GAUGE, &id->stacks},
        {S_MMAP_ANON, "", "bytes", SERIES_GAUGE, &id->mmap},
        {S_PROBE_RSS, "", "bytes", SERIES_GAUGE, &id->probe},
        {S_FD, "", "", SERIES_GAUGE, &id->fd},
        {"fd.socket", "", "", SERIES_GAUGE, &id->fd_socket},
        {S_THREADS, "", "", SERIES_GAUGE, &id->threads},
        {S_CPU, "", "s", SERIES_COUNTER, &id->cpu},
        {S_PROBE_CPU, "", "s", SERIES_COUNTER, &id->probe_cpu},
        {S_SEEP_CPU, "", "s", SERIES_COUNTER, &id->seep_cpu},
        {S_HTTP_REQUESTS, scenario, "", SERIES_COUNTER, &id->requests},
        {S_HTTP_ERRORS, scenario, "", SERIES_COUNTER, &id->errors},
        {S_HTTP_OK, scenario, "", SERIES_COUNTER, &id->ok},
        {S_HTTP_REQUESTS, "", "", SERIES_COUNTER, &id->all_requests},
        {S_HTTP_P50, "", "s", SERIES_GAUGE, &id->p50},
        {S_HTTP_P99, "", "s", SERIES_GAUGE, &id->p99},
        {S_HTTP_P999, "", "s", SERIES_GAUGE, &id->p999},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        OK(store_series(st, rows[i].name, rows[i].labels, rows[i].unit, rows[i].kind, rows[i].id, &fault));
}

static inline void synth_meta(struct store *st, const struct synth *s)
{
    char started[32], duration[32], interval[32];
    snprintf(started, sizeof started, "%lld", 1700000000000000000ll);
    snprintf(duration, sizeof duration, "%.9g", (s->ticks - 1) * s->interval_s);
    snprintf(interval, sizeof interval, "%.9g", s->interval_s);
    const char *const rows[][2] = {
        {M_RUN, "20261121-0104-7f3a"},
        {M_PROFILE, s->profile ? s->profile : synth_profile},
        {M_ARGV, "[\"./server\", \"--port\", \"8080\"]"},
        {M_VERSION, "0.1.0"},
        {M_STARTED, started},
        {M_DURATION, duration},
        {M_INTERVAL, interval},
        {M_ATTRIBUTION, s->no_stacks ? "failed" : "exact"},
        {M_ATTRIBUTION_REASON, s->no_stacks},
        {M_HEAP_SOURCE, s->no_stacks ? NULL : "requested bytes"},
        {M_COVERAGE, s->no_stacks ? NULL : "0.9998"},
        {M_HOST_NAME, "soak-3"},
        {M_HOST_OS, "Debian GNU/Linux 12 (bookworm)"},
        {M_HOST_KERNEL, "6.1.0-18-amd64"},
        {M_HOST_CPUS, "8"},
        {M_HOST_MEMORY, "16777216000"},
        {M_TARGET_PID, "4711"},
        {M_TARGET_EXE, "/srv/app/server"},
        {M_TARGET_SHA256, "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {M_TARGET_BUILD_ID, "8c2f1d9e4b7a60513e5f7c9a1b3d5e7f90a1b2c3"},
        {M_TARGET_ALLOCATOR, "glibc 2.36"},
        {M_READY_S, "0.21"},
        {M_OUTCOME, s->outcome ? s->outcome : "completed"},
        {M_EXIT_KIND, "exited"},
        {M_EXIT_STATUS, "0"},
        {M_EXIT_SENTENCE, "It exited with status 0 after the stop signal."},
        {M_SHUTDOWN_SIGNAL, "15"},
        {M_SHUTDOWN_AFTER, s->shutdown_after ? s->shutdown_after : "0.41"},
        {M_SHUTDOWN_CHILDREN, "0"},
        {M_SHUTDOWN_PORT, "yes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i][1])
            OK(store_set_meta(st, rows[i][0], rows[i][1], &fault));
}

// Stack k: four frames, the innermost two named for k, the others shared.
static inline uint32_t synth_stack(struct store *st, const struct synth *s, int k, uint32_t program, uint32_t libc)
{
    static const char *const known[] = {"session_new", "lru_insert", "config_load"};
    char function[300], file[300];
    struct store_frame frames[] = {{libc, 0x9a000},
                                   {program, 0x10000 + (uint64_t)k * 64},
                                   {program, 0x4000 + (uint64_t)(k % 37) * 16},
                                   {program, 0x2000},
                                   {program, 0x1000}};
    const char *const outer[] = {"malloc", NULL, "handle_login", "dispatch", "main"};
    uint32_t id;
    for (size_t i = 0; i < 5; i++) {
        snprintf(function, sizeof function, "%s", outer[i] ? outer[i] : "");
        if (i == 1)
            k < 3 ? snprintf(function, sizeof function, "%s", known[k])
                  : snprintf(function, sizeof function, "alloc_%d", k);
        if (i == 2)
            snprintf(function, sizeof function, "handle_%d", k % 37);
        snprintf(file, sizeof file, "%s", i == 1 && k == 1 ? "/srv/app/src/cache.c" : "/srv/app/src/session.c");
        struct store_symbol symbol = {
            .function = s->name && i < 3 ? s->name : function, .file = s->name ? s->name : file, .line = 88 + (int)i};
        OK(store_symbols(st, &frames[i], &symbol, 1, &fault));
    }
    OK(store_stack(st, 0, frames, 5, &id, &fault));
    return id;
}

static inline void synth_stacks(struct store *st, const struct synth *s, uint32_t *ids)
{
    uint32_t program, libc;
    OK(store_module(st, &(struct store_module){s->name ? s->name : "/srv/app/server", "8c2f", 1 << 20}, &program,
                    &fault));
    OK(store_module(st, &(struct store_module){"/usr/lib/x86_64-linux-gnu/libc.so.6", "51ab", 1 << 21}, &libc, &fault));
    for (int k = 0; k < s->stacks; k++)
        ids[k] = synth_stack(st, s, k, program, libc);
    if (s->leak_in_other > 0)
        OK(store_stack(st, STACK_OTHER, NULL, 0, &ids[s->stacks - 1], &fault));
}

// Live bytes of stack k, t seconds into the measure phase; u is t over the whole.
static inline double synth_live(const struct synth *s, int k, double t, double u, uint32_t *seed)
{
    if (k == s->stacks - 1 && s->leak_in_other > 0)
        return 8192 + s->leak_in_other * fmax(t, 0);
    if (k == 0)
        return 4096 + s->leak_per_s * fmax(t, 0);
    if (k == 1)
        return 3e6 * (1 - exp(-u * 12));
    if (k == 2)
        return 1.5e6;
    return 20000 + 2000 * synth_noise(seed);
}

static inline void synth_tick(struct store *st, const struct synth *s, const struct synth_ids *id,
                              const uint32_t *stacks, int64_t index, enum store_phase phase, double t, double wall_s,
                              bool with_stacks, uint32_t *seed)
{
    double u = t / ((s->ticks - 1) * s->interval_s),
           heap = 40e6 + s->leak_per_s * fmax(t, 0) + 3e6 * (1 - exp(-fmax(u, 0) * 12));
    if (phase == PHASE_CLOSE)
        heap = 40e6 + 1.2e6;
    heap += 20000 * synth_noise(seed);
    double load = phase == PHASE_MEASURE ? t * 50 : phase == PHASE_BASELINE ? 0 : (s->ticks - 1) * s->interval_s * 50;
    double frag = 3e6 + 0.05 * s->leak_per_s * fmax(t, 0), anon = heap + frag + 1e6, probe = 8e6;
    double rss = floor((anon + 12e6 + probe + 100000 * synth_noise(seed)) / 4096) * 4096;
    bool idle = phase != PHASE_MEASURE, bare = s->no_stacks != NULL;
    double sockets = idle ? 4 : floor(30 + 4 * synth_noise(seed));
    struct store_point points[] = {
        {id->rss, rss},
        {id->anon, anon},
        {id->file, 12e6},
        {id->shmem, probe},
        {id->pss, rss * 0.97},
        {id->vsize, 4e8},
        {id->fd, 11 + sockets},
        {id->fd_socket, sockets},
        {id->threads, 9},
        {id->cpu, 2 + wall_s * 0.22},
        {id->seep_cpu, wall_s * 0.004},
        {id->requests, floor(load)},
        {id->all_requests, floor(load)},
        {id->errors, floor(load / 2000)},
        {id->ok, floor(load) - floor(load / 2000)},
        {id->p50, idle ? NAN : 0.0011 + 1e-4 * synth_noise(seed)},
        {id->p99, idle ? NAN : 0.0041 + 4e-4 * synth_noise(seed)},
        {id->p999, idle ? NAN : 0.012 + 4e-3 * synth_noise(seed)},
        {id->stacks, 1e6},
        {id->mmap, s->maps_untold ? NAN : 2e5},
        {id->probe, probe},
        {id->heap, heap},
        {id->blocks, heap / 96},
        {id->allocs, load * 40},
        {id->resident, heap + frag},
        {id->probe_cpu, wall_s * 0.002},
    };
    size_t n_points = sizeof points / sizeof points[0] - (bare ? 5 : 0);
    struct store_stack_point *sp = calloc((size_t)s->stacks + 1, sizeof *sp);
    for (int k = 0; with_stacks && k < s->stacks; k++) {
        double live = synth_live(s, k, t, u, seed);
        sp[k] = (struct store_stack_point){stacks[k], live, floor(live / 48), live * 3, live / 16, 0};
    }
    struct store_tick tick = {
        .index = index,
        .time = {(int64_t)(wall_s * 1e9), 1700000000000000000 + (int64_t)(wall_s * 1e9), (int64_t)(wall_s * 1e9)},
        .phase = phase,
        .late_ns = 200000,
        .points = points,
        .n_points = n_points,
        .stacks = sp,
        .n_stacks = with_stacks && !bare ? (size_t)s->stacks : 0};
    OK(store_write_tick(st, &tick, &fault));
    free(sp);
}

static inline struct seep_time synth_time(double wall_s)
{
    int64_t ns = (int64_t)(wall_s * 1e9);
    return (struct seep_time){ns, 1700000000000000000 + ns, ns};
}

static inline void synth_ages(struct store *st, const struct synth *s, const uint32_t *stacks, double measure_from_s)
{
    enum { EPOCHS = 24 };
    double span = (s->ticks - 1) * s->interval_s;
    for (uint32_t e = 0; e < EPOCHS; e++)
        OK(store_epoch(st, e, synth_time(measure_from_s + span * e / EPOCHS), &fault));
    for (int k = 0; k < s->stacks && k < 40; k++) {
        uint64_t bytes[EPOCHS] = {0}, blocks[EPOCHS] = {0};
        for (int e = 0; e < EPOCHS; e++) {
            bytes[e] = (uint64_t)(k == 0   ? s->leak_per_s * span / EPOCHS
                                  : k == 2 ? (e == 0 ? 1.5e6 : 0)
                                  : e > 18 ? 3000
                                           : 0);
            blocks[e] = bytes[e] / 48;
        }
        OK(store_ages(st, stacks[k], bytes, blocks, EPOCHS, &fault));
    }
}

static inline void synth_histogram(struct store *st, const struct synth *s)
{
    char labels[300];
    struct load_hist *h = calloc(1, sizeof *h);
    struct seep_buf blob;
    uint32_t seed = 7;
    snprintf(labels, sizeof labels, "scenario=%s", s->name ? s->name : "login");
    for (int i = 0; i < 100000; i++)
        hist_record(h, (uint64_t)(1100 + 900 * fabs(synth_noise(&seed)) + (i % 90 == 0 ? 3000 : 0)));
    buf_init(&blob, HIST_BLOB_MAX + 64);
    hist_pack(h, &blob);
    OK(store_histogram(st, H_HTTP_LATENCY, labels, blob.data, blob.len, &fault));
    OK(store_histogram(st, H_HTTP_LATENCY, "", blob.data, blob.len, &fault));
    buf_free(&blob);
    free(h);
}

static inline void synth_gap(struct store *st, const struct synth *s, double measure_from_s)
{
    if (s->lose_to <= s->lose_from)
        return;
    struct store_event gap = {.kind = E_GAP,
                              .from = synth_time(measure_from_s + (s->lose_from - 1) * s->interval_s),
                              .to = synth_time(measure_from_s + s->lose_to * s->interval_s),
                              .count = s->lose_to - s->lose_from,
                              .text = "The supervisor was gone and the run was taken up again."};
    OK(store_write_event(st, &gap, &fault));
}

// Writes the whole run into dir_fd and closes the store. With idle_ticks there are baseline, drain-less close and a
// load.
static inline void synth_write(int dir_fd, const struct synth *s)
{
    struct store *st;
    struct synth_ids id;
    uint32_t seed = 1, *stacks = calloc((size_t)s->stacks + 1, sizeof *stacks);
    OK(store_create(dir_fd, &st, &fault));
    synth_meta(st, s);
    synth_series(st, s, &id);
    if (!s->no_stacks)
        synth_stacks(st, s, stacks);
    double idle_s = 2, wall = 0, from = s->idle_ticks * idle_s;
    int64_t index = 0;
    for (int i = 0; i < s->idle_ticks; i++, wall += idle_s)
        synth_tick(st, s, &id, stacks, index++, PHASE_BASELINE, 0, wall, false, &seed);
    int every = s->ticks / SYNTH_SNAPSHOTS > 0 ? s->ticks / SYNTH_SNAPSHOTS : 1;
    for (int i = 0; i < s->ticks; i++, index++) {
        if (i >= s->lose_from && i < s->lose_to)
            continue;
        double t = i * s->interval_s;
        synth_tick(st, s, &id, stacks, index, PHASE_MEASURE, t, from + t, i % every == 0, &seed);
    }
    wall = from + s->ticks * s->interval_s;
    for (int i = 0; i < s->idle_ticks; i++, wall += idle_s)
        synth_tick(st, s, &id, stacks, index++, PHASE_CLOSE, (s->ticks - 1) * s->interval_s, wall, false, &seed);
    if (!s->no_stacks)
        synth_ages(st, s, stacks, from);
    synth_histogram(st, s);
    synth_gap(st, s, from);
    OK(store_write_end(st, synth_time(wall), "completed", 0, "{}", &fault));
    store_close(st);
    free(stacks);
}

// Writes it into the rig's directory and builds its report.
static inline struct report *synth_report(struct rig *rig, const struct synth *s, const struct report_options *options)
{
    struct store *st;
    struct report *r = NULL;
    synth_write(rig->fd, s);
    OK(store_open_read(rig->fd, &st, &fault));
    OK(report_build(st, options, &r, &fault));
    store_close(st);
    return r;
}

// A format's output as a string; freed by the caller.
static inline char *synth_format(const struct report *r, const char *name, const struct report_style *style,
                                 size_t *len)
{
    struct seep_buf out;
    const struct report_format *f = report_find_format(name);
    assert_non_null(f);
    buf_init(&out, f->ceiling_bytes);
    OK(f->write(r, style, &out, &fault));
    if (len)
        *len = out.len;
    return out.data ? out.data : calloc(1, 1);
}

#endif
