// What the store's tests share: a run directory that is gone afterwards, a tick made of numbers, file damage.
#ifndef SEEP_TESTS_STORE_RIG_H
#define SEEP_TESTS_STORE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs the four above it.
#include <cmocka.h>

#include "base/units.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        struct seep_err fault = {0};                                                                                   \
        if ((call) != 0)                                                                                               \
            fail_msg("%s: %s", #call, fault.text);                                                                     \
    } while (0)

struct rig {
    char path[128];
    int fd;
};

static inline int rig_begin(struct rig *r, const char *where)
{
    snprintf(r->path, sizeof r->path, "%s/seep-store-XXXXXX", where);
    if (!mkdtemp(r->path))
        return -1;
    r->fd = open(r->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return r->fd < 0 ? -1 : 0;
}

static inline void rig_empty(struct rig *r)
{
    DIR *d = opendir(r->path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlinkat(r->fd, e->d_name, 0);
    if (d)
        closedir(d);
}

static inline void rig_end(struct rig *r)
{
    rig_empty(r);
    close(r->fd);
    rmdir(r->path);
}

static inline int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    *state = r;
    return r ? rig_begin(r, "/tmp") : -1;
}

static inline int rig_teardown(void **state)
{
    rig_end(*state);
    free(*state);
    return 0;
}

static inline struct seep_time at_second(int64_t s)
{
    return (struct seep_time){s * 1000000000, 1700000000000000000 + s * 1000000000, s * 1000000000 + 7};
}

static inline bool rig_has(struct rig *r, const char *name)
{
    struct stat sb;
    return fstatat(r->fd, name, &sb, AT_SYMLINK_NOFOLLOW) == 0;
}

// Three series and three stacks, so that what tick i holds can be told from i alone.
struct world {
    uint32_t series[3], stacks[3];
};

static inline int world_names(struct store *st, struct world *w, struct seep_err *err)
{
    static const char *const names[] = {"rss", "heap.live", "fd"};
    uint32_t module;
    struct store_module m = {"/usr/bin/target", "abcdef01", 4096};
    if (store_module(st, &m, &module, err))
        return -1;
    for (unsigned i = 0; i < 3; i++) {
        struct store_frame f[2] = {{module, 100 + i}, {0, UINT64_MAX - i}};
        if (store_series(st, names[i], "", "bytes", SERIES_GAUGE, &w->series[i], err) ||
            store_stack(st, i, f, 2, &w->stacks[i], err))
            return -1;
    }
    return 0;
}

static inline double world_value(int64_t tick, unsigned series)
{
    return series == 2 && tick % 7 == 3 ? (double)NAN : (double)tick * 10 + series;
}

// Stack 0 changes each tick, stack 1 each fifth, stack 2 never after tick 0.
static inline double world_bytes(int64_t tick, unsigned stack)
{
    return stack == 0 ? (double)tick * 64 : stack == 1 ? (double)(tick / 5) * 4096 : 77;
}

static inline int world_tick(struct store *st, const struct world *w, int64_t i, struct seep_err *err)
{
    struct store_point p[3];
    struct store_stack_point s[3];
    for (unsigned k = 0; k < 3; k++) {
        p[k] = (struct store_point){w->series[k], world_value(i, k)};
        double b = world_bytes(i, k);
        s[k] = (struct store_stack_point){w->stacks[k], b, b / 16, b * 2, b / 8, 0};
    }
    char text[40];
    snprintf(text, sizeof text, "tick %lld", (long long)i);
    struct store_event e = {"note", at_second(i), at_second(i), i, text};
    struct store_tick t = {.index = i,
                           .time = at_second(i),
                           .phase = PHASE_MEASURE,
                           .late_ns = i * 3,
                           .missed = 0,
                           .points = p,
                           .n_points = 3,
                           .stacks = s,
                           .n_stacks = 3,
                           .events = &e,
                           .n_events = 1};
    return store_write_tick(st, &t, err);
}

// LIVE: a writer may add ticks between two readings. HOLES: ticks were dropped, their events may have been kept.
enum { WORLD_LIVE = 1, WORLD_HOLES = 2 };

// Everything stored holds together and is what world_tick() wrote. Returns the number of ticks; -1 and a text on
// standard error when something is wrong. Fits children too.
static inline int64_t world_compare(struct store *st, int64_t must_have, unsigned how)
{
    struct seep_err err = {0};
    struct store_ticks t;
    struct store_stack_matrix mx;
    struct store_event_row *ev;
    size_t n_ev, notes = 0;
    double *v[3];
    if (store_read_ticks(st, &t, &err) || store_read_stack_matrix(st, &mx, &err) ||
        store_read_events(st, &ev, &n_ev, &err))
        return fprintf(stderr, "%s\n", err.text), -1;
    for (unsigned k = 0; k < 3; k++)
        if (store_read_series(st, k + 1, t.n, &v[k], &err))
            return fprintf(stderr, "%s\n", err.text), -1;
    int64_t bad = 0, n = (int64_t)t.n;
    bad += how & WORLD_LIVE ? mx.m < t.n : mx.m != t.n;
    bad += t.n && mx.n_stacks != 3;
    for (size_t i = 0; bad == 0 && i < t.n; i++) {
        bad += how & WORLD_HOLES ? i && t.index[i] <= t.index[i - 1] : t.index[i] != (int64_t)i;
        bad += t.late_ns[i] != t.index[i] * 3 || mx.ticks[i] != t.index[i];
        bad += t.time[i].mono_ns != at_second(t.index[i]).mono_ns;
        for (unsigned k = 0; k < 3; k++) {
            double want = world_value(t.index[i], k);
            bad += isnan(want) ? !isnan(v[k][i]) : v[k][i] != want;
            bad += mx.live_bytes[k * mx.m + i] != world_bytes(t.index[i], k);
        }
    }
    for (size_t i = 0; i < n_ev; i++)
        notes += strcmp(ev[i].kind, "note") == 0;
    bad += how ? !(how & WORLD_HOLES) && notes < t.n : notes != t.n;
    bad += must_have >= 0 && (t.n == 0 || t.index[t.n - 1] < must_have);
    if (bad)
        fprintf(stderr, "%zu ticks, %zu stack rows, %zu notes, last %lld, wanted %lld\n", t.n, mx.m, notes,
                t.n ? (long long)t.index[t.n - 1] : -1, (long long)must_have);
    store_free_ticks(&t);
    store_free_stack_matrix(&mx);
    store_free_events(ev, n_ev);
    for (unsigned k = 0; k < 3; k++)
        free(v[k]);
    return bad ? -1 : n;
}

static inline int64_t world_check(struct store *st, int64_t must_have)
{
    return world_compare(st, must_have, 0);
}

// "ok", or SQLite's words about what is wrong with the file. Belongs to the caller.
static inline char *integrity_of(sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    const char *words = NULL;
    if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
        words = (const char *)sqlite3_column_text(s, 0);
    char *copy = strdup(words ? words : sqlite3_errmsg(db));
    sqlite3_finalize(s);
    return copy;
}

// All databases of the run that are not set aside as damaged are whole. No store of this process may be open: this
// opens the files by a connection of its own, with SQLite's plain VFS.
static inline void rig_integrity(struct rig *r)
{
    for (int part = 1; part <= 16; part++) {
        char name[24], path[200];
        snprintf(name, sizeof name, part == 1 ? "run.db" : "run.%d.db", part);
        if (!rig_has(r, name))
            continue;
        snprintf(path, sizeof path, "%s/%s", r->path, name);
        sqlite3 *db;
        assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, "unix"), SQLITE_OK);
        char *words = integrity_of(db);
        sqlite3_close(db);
        if (strcmp(words, "ok") != 0)
            fail_msg("%s: %s", name, words);
        free(words);
    }
}

static inline int count_events(struct store *st, const char *kind, int64_t *sum)
{
    struct store_event_row *ev;
    size_t n, found = 0;
    OK(store_read_events(st, &ev, &n, &fault));
    for (size_t i = 0; i < n; i++)
        if (strcmp(ev[i].kind, kind) == 0) {
            found++;
            if (sum && ev[i].count != SEEP_UNKNOWN)
                *sum += ev[i].count;
        }
    store_free_events(ev, n);
    return (int)found;
}

static inline void fill_run(int dir_fd, int64_t ticks)
{
    struct store *st;
    struct world w;
    OK(store_create(dir_fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    for (int64_t i = 0; i < ticks; i++)
        OK(world_tick(st, &w, i, &fault));
    store_close(st);
}

#endif
