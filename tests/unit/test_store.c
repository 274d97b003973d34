// The store on a healthy machine: what goes in comes out, over closing, resuming, two processes, and a long run.
#include "store_rig.h"

#include "store/internal.h"

#include <signal.h>

static void round_trip_of_ticks(void **state)
{
    struct rig *r = *state;
    struct store *st;
    fill_run(r->fd, 50);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 49), 50);
    assert_false(store_degraded(st));
    assert_null(store_trouble(st));
    struct store_ticks t;
    OK(store_read_ticks(st, &t, &fault));
    assert_int_equal(t.phase[3], PHASE_MEASURE);
    assert_int_equal(t.session[3], 1);
    assert_int_equal(t.time[3].boot_ns, at_second(3).boot_ns);
    store_free_ticks(&t);
    store_close(st);
}

static void unknown_stays_unknown(void **state)
{
    struct rig *r = *state;
    struct store *st;
    uint32_t id, id2;
    OK(store_create(r->fd, &st, &fault));
    OK(store_series(st, "rss", "", "bytes", SERIES_GAUGE, &id, &fault));
    OK(store_series(st, "odd", "a=b", "s", SERIES_COUNTER, &id2, &fault));
    static const double values[] = {NAN, 0, -0.0, -5, 0.1, 1e300, -1e-300, 9007199254740992.0, 4503599627370497.5};
    enum { N = sizeof values / sizeof values[0] };
    for (int i = 0; i < N; i++) {
        struct store_point p[] = {{id2, values[i]}, {id, 1}};
        struct store_tick t = {.index = i,
                               .time = {SEEP_UNKNOWN, 5, SEEP_UNKNOWN},
                               .late_ns = SEEP_UNKNOWN,
                               .missed = SEEP_UNKNOWN,
                               .points = p,
                               .n_points = i == 4 ? 1 : 2};
        OK(store_write_tick(st, &t, &fault));
    }
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    struct store_ticks t;
    double *v, *w, *none;
    OK(store_read_ticks(st, &t, &fault));
    assert_int_equal(t.n, N);
    assert_int_equal(t.time[0].mono_ns, SEEP_UNKNOWN);
    assert_int_equal(t.time[0].real_ns, 5);
    assert_int_equal(t.late_ns[0], SEEP_UNKNOWN);
    assert_int_equal(t.missed[0], SEEP_UNKNOWN);
    OK(store_read_series(st, id2, t.n, &v, &fault));
    OK(store_read_series(st, id, t.n + 3, &w, &fault));
    OK(store_read_series(st, 99, t.n, &none, &fault));
    for (int i = 0; i < N; i++)
        assert_true(isnan(values[i]) ? isnan(v[i]) : memcmp(&v[i], &values[i], sizeof v[i]) == 0);
    assert_true(isnan(w[4]) && w[5] == 1 && isnan(w[N]) && isnan(none[0]));
    struct store_stack_matrix mx;
    OK(store_read_stack_matrix(st, &mx, &fault));
    assert_int_equal(mx.m, 0);
    store_free_stack_matrix(&mx);
    free(v), free(w), free(none);
    store_free_ticks(&t);
    store_close(st);
}

static const char hostile[] = "a\x01\x1b[31m\xff\xfe\xc0\x80 '; DROP TABLE tick; -- \"%s%n\n\xe2\x80\xae<script>";

static void hostile_text_comes_back_as_it_was(void **state)
{
    struct rig *r = *state;
    struct store *st;
    uint32_t series, module, stack;
    OK(store_create(r->fd, &st, &fault));
    OK(store_series(st, hostile, hostile, "bytes", SERIES_COUNTER, &series, &fault));
    struct store_module m = {hostile, "", UINT64_MAX};
    OK(store_module(st, &m, &module, &fault));
    struct store_frame f = {module, UINT64_MAX};
    OK(store_stack(st, STACK_MMAP | STACK_TRUNCATED, &f, 1, &stack, &fault));
    struct store_symbol sym[] = {{hostile, NULL, 0, true}, {NULL, hostile, 2147483647, false}, {NULL, NULL, 7, false}};
    OK(store_symbols(st, &f, sym, 3, &fault));
    OK(store_set_meta(st, "argv", hostile, &fault));
    OK(store_set_meta_blob(st, "blob", "a\0b", 3, &fault));
    OK(store_set_meta(st, "empty", "", &fault));
    struct store_event e = {hostile, at_second(1), at_second(2), SEEP_UNKNOWN, hostile};
    OK(store_write_event(st, &e, &fault));
    OK(store_histogram(st, "http", hostile, "x\0y", 3, &fault));
    OK(store_write_end(st, at_second(9), hostile, 4, "{\"v\":1}", &fault));
    store_close(st);

    OK(store_open_read(r->fd, &st, &fault));
    struct store_series_info *si;
    struct store_module_info *mi;
    struct store_stack_info *ki;
    struct store_event_row *ev;
    struct store_symbol *sy;
    size_t n;
    OK(store_list_series(st, &si, &n, &fault));
    assert_int_equal(n, 1);
    assert_string_equal(si[0].name, hostile);
    assert_string_equal(si[0].labels, hostile);
    assert_string_equal(si[0].unit, "bytes");
    assert_int_equal(si[0].kind, SERIES_COUNTER);
    store_free_series(si, n);
    OK(store_list_modules(st, &mi, &n, &fault));
    assert_string_equal(mi[0].path, hostile);
    assert_string_equal(mi[0].build_id, "");
    assert_true(mi[0].size == UINT64_MAX);
    store_free_modules(mi, n);
    OK(store_list_stacks(st, &ki, &n, &fault));
    assert_int_equal(ki[0].flags, STACK_MMAP | STACK_TRUNCATED);
    assert_int_equal(ki[0].n_frames, 1);
    assert_true(ki[0].frames[0].module == module && ki[0].frames[0].offset == UINT64_MAX);
    store_free_stacks(ki, n);
    OK(store_read_symbols(st, &f, &sy, &n, &fault));
    assert_int_equal(n, 3);
    assert_string_equal(sy[0].function, hostile);
    assert_null(sy[0].file);
    assert_true(sy[0].inlined && !sy[1].inlined);
    assert_string_equal(sy[1].file, hostile);
    assert_int_equal(sy[1].line, 2147483647);
    assert_int_equal(sy[2].line, 7);
    store_free_symbols(sy, n);
    OK(store_read_symbols(st, &(struct store_frame){1, 5}, &sy, &n, &fault));
    assert_int_equal(n, 0);
    OK(store_read_events(st, &ev, &n, &fault));
    assert_int_equal(n, 1);
    assert_string_equal(ev[0].kind, hostile);
    assert_string_equal(ev[0].text, hostile);
    assert_int_equal(ev[0].count, SEEP_UNKNOWN);
    assert_int_equal(ev[0].to.real_ns, at_second(2).real_ns);
    store_free_events(ev, n);
    char *value, *reason, *verdict;
    void *blob;
    OK(store_get_meta(st, "argv", &value, &fault));
    assert_string_equal(value, hostile);
    free(value);
    OK(store_get_meta(st, "not there", &value, &fault));
    assert_null(value);
    OK(store_get_meta(st, "empty", &value, &fault));
    assert_string_equal(value, "");
    free(value);
    OK(store_get_meta_blob(st, "blob", &blob, &n, &fault));
    assert_int_equal(n, 3);
    assert_memory_equal(blob, "a\0b", 4);
    free(blob);
    OK(store_read_histogram(st, "http", hostile, &blob, &n, &fault));
    assert_int_equal(n, 3);
    assert_memory_equal(blob, "x\0y", 3);
    free(blob);
    bool found;
    struct seep_time when;
    int code;
    OK(store_read_end(st, &found, &when, &reason, &code, &verdict, &fault));
    assert_true(found && code == 4);
    assert_string_equal(reason, hostile);
    assert_string_equal(verdict, "{\"v\":1}");
    assert_int_equal(when.mono_ns, at_second(9).mono_ns);
    free(reason);
    free(verdict);
    store_close(st);
}

static void ages_epochs_and_replacing(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    uint64_t bytes[] = {1, 0, UINT64_MAX}, blocks[] = {1, 0, 3}, *b, *k;
    size_t n;
    OK(store_ages(st, w.stacks[0], bytes, blocks, 2, &fault));
    OK(store_ages(st, w.stacks[0], bytes, blocks, 3, &fault));
    OK(store_epoch(st, 0, at_second(5), &fault));
    OK(store_epoch(st, 2, at_second(6), &fault));
    OK(store_set_meta(st, "k", "1", &fault));
    OK(store_set_meta(st, "k", NULL, &fault));
    OK(store_write_end(st, at_second(1), "first", 1, "{}", &fault));
    OK(store_write_end(st, at_second(2), "second", 0, "{}", &fault));
    OK(store_read_ages(st, w.stacks[0], &b, &k, &n, &fault)); // a writer reads its own
    assert_int_equal(n, 3);
    assert_memory_equal(b, bytes, sizeof bytes);
    assert_memory_equal(k, blocks, sizeof blocks);
    free(b), free(k);
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    struct seep_time *began, when;
    OK(store_read_epochs(st, &began, &n, &fault));
    assert_int_equal(n, 3);
    assert_int_equal(began[0].mono_ns, at_second(5).mono_ns);
    assert_int_equal(began[1].mono_ns, SEEP_UNKNOWN);
    free(began);
    OK(store_read_ages(st, w.stacks[1], &b, &k, &n, &fault));
    assert_int_equal(n, 0);
    free(b), free(k);
    char *value, *reason, *verdict;
    OK(store_get_meta(st, "k", &value, &fault));
    assert_null(value);
    bool found;
    int code;
    OK(store_read_end(st, &found, &when, &reason, &code, &verdict, &fault));
    assert_string_equal(reason, "second");
    free(reason), free(verdict);
    store_close(st);
    assert_false(rig_has(r, "run.reserve"));
}

static void stack_values_are_carried_forward(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    struct store_stack_point a = {w.stacks[1], 12.34375, 1e15, 3, 4, 0.1};
    struct store_stack_point none = {0};
    struct store_stack_point zero = {w.stacks[1], 0, 0, 3, 4, 0};
    struct store_tick t = {.index = 0, .time = at_second(0), .stacks = &none};
    OK(store_write_tick(st, &t, &fault)); // looked at, nothing there
    t.index = 1, t.stacks = &a, t.n_stacks = 1;
    OK(store_write_tick(st, &t, &fault));
    t.index = 2, t.stacks = NULL, t.n_stacks = 0;
    OK(store_write_tick(st, &t, &fault)); // not looked at
    t.index = 3, t.stacks = &none;
    OK(store_write_tick(st, &t, &fault)); // nothing changed
    t.index = 4, t.stacks = &zero, t.n_stacks = 1;
    OK(store_write_tick(st, &t, &fault));
    struct store_stack_matrix mx;
    OK(store_read_stack_matrix(st, &mx, &fault));
    assert_int_equal(mx.m, 4);
    assert_int_equal(mx.ticks[2], 3);
    const double *row = mx.live_bytes + mx.m;
    assert_true(row[0] == 0 && row[1] == 12.34375 && row[2] == 12.34375 && row[3] == 0);
    assert_true(mx.live_blocks[mx.m + 2] == 1e15);
    assert_true(mx.variance[mx.m + 1] == (double)0.1f);
    assert_true(mx.live_bytes[0] == 0);
    store_free_stack_matrix(&mx);
    struct store_stack_point *last;
    size_t n;
    OK(store_read_stack_last(st, &last, &n, &fault));
    assert_int_equal(n, 3);
    assert_true(last[1].stack == w.stacks[1] && last[1].alloc_bytes == 3 && last[1].alloc_blocks == 4);
    free(last);
    store_close(st);
}

static void our_own_mistakes_are_refused(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 5, &fault));
    assert_int_equal(world_tick(st, &w, 5, &err), -1);
    assert_non_null(strstr(err.text, "does not follow"));
    struct store_point p = {77, 1};
    struct store_tick t = {.index = 6, .points = &p, .n_points = 1};
    assert_int_equal(store_write_tick(st, &t, &err), -1);
    struct store_stack_point s = {.stack = 4};
    t = (struct store_tick){.index = 6, .stacks = &s, .n_stacks = 1};
    assert_int_equal(store_write_tick(st, &t, &err), -1);
    struct store_frame f = {9, 9};
    uint32_t id;
    assert_int_equal(store_stack(st, 0, &f, 1, &id, &err), -1);
    struct store_frame many[257] = {0};
    assert_int_equal(store_stack(st, 0, many, 257, &id, &err), -1);
    OK(store_stack(st, 0, many, 256, &id, &fault));
    OK(store_stack(st, 0, NULL, 0, &id, &fault));
    OK(world_tick(st, &w, 6, &fault));
    assert_int_equal(store_last_tick(st), 6);
    // The two that were refused are holes, and holes are seen.
    int64_t sum = 0;
    assert_int_equal(count_events(st, "gap", &sum) > 0, 1);
    assert_int_equal(sum, 2);
    store_close(st);
}

static void ids_and_values_go_on_over_resume(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w, again;
    fill_run(r->fd, 10);
    for (int round = 1; round < 4; round++) {
        OK(store_open_write(r->fd, &st, &fault));
        assert_int_equal(store_last_tick(st), round * 10 - 1);
        OK(world_names(st, &w, &fault));
        OK(world_names(st, &again, &fault));
        assert_memory_equal(&w, &again, sizeof w);
        assert_int_equal(w.series[0], 1);
        assert_int_equal(w.stacks[2], 3);
        uint32_t id;
        OK(store_series(st, "new", "", "s", SERIES_GAUGE, &id, &fault));
        assert_int_equal(id, 4);
        for (int i = round * 10; i < round * 10 + 10; i++)
            OK(world_tick(st, &w, i, &fault));
        store_close(st);
        assert_false(rig_has(r, "run.db-wal"));
    }
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 39), 40);
    struct store_session *s;
    size_t n;
    OK(store_read_sessions(st, &s, &n, &fault));
    assert_int_equal(n, 4);
    assert_int_equal(s[3].id, 4);
    assert_int_equal(s[3].pid, getpid());
    assert_int_equal(strlen(s[0].boot_id), 36);
    free(s);
    store_close(st);
    struct stat sb;
    assert_int_equal(fstatat(r->fd, "run.db", &sb, 0), 0);
    assert_int_equal(sb.st_mode & 07777, 0600);
}

static void refusals_name_the_reason(void **state)
{
    struct rig *r = *state;
    struct store *st, *other;
    struct seep_err err;
    char pid[32];
    assert_int_equal(store_open_read(r->fd, &st, &err), -1);
    assert_non_null(strstr(err.text, "no run"));
    assert_int_equal(store_open_write(r->fd, &st, &err), -1);
    assert_false(rig_has(r, "run.lock"));
    OK(store_create(r->fd, &st, &fault));
    snprintf(pid, sizeof pid, "process %d", (int)getpid());
    assert_int_equal(store_create(r->fd, &other, &err), -1);
    assert_non_null(strstr(err.text, pid));
    assert_int_equal(err.code, SEEP_E_USAGE);
    assert_int_equal(store_open_write(r->fd, &other, &err), -1);
    assert_non_null(strstr(err.text, pid));
    store_close(st);
    assert_int_equal(store_create(r->fd, &other, &err), -1);
    assert_non_null(strstr(err.text, "already"));
    const char *name;
    assert_true(place_is_network(0x6969, &name));
    assert_string_equal(name, "NFS");
    assert_false(place_is_network(0xef53, &name));
    store_close(NULL);
}

static void hundred_writers_one_wins(void **state)
{
    struct rig *r = *state;
    int go[2], won[2], wins = 0;
    assert_int_equal(pipe(go) || pipe(won), 0);
    pid_t kids[100];
    for (int i = 0; i < 100; i++) {
        kids[i] = fork();
        if (kids[i] == 0) {
            struct store *st;
            struct seep_err err;
            char c;
            close(go[1]);
            if (read(go[0], &c, 1) < 0 || store_create(r->fd, &st, &err))
                _exit(err.code == SEEP_E_USAGE ? 1 : 2);
            _exit(write(won[1], "x", 1) == 1 && usleep(1500000) == 0 ? 0 : 3);
        }
    }
    close(go[1]);
    for (int i = 0; i < 100; i++) {
        int status;
        waitpid(kids[i], &status, 0);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
        wins += WEXITSTATUS(status) == 0;
    }
    close(go[0]), close(won[0]), close(won[1]);
    assert_int_equal(wins, 1);
}

static void place_is_watched(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    char moved[160];
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    assert_int_equal(store_check_place(st, &err), STORE_PLACE_SAME);
    snprintf(moved, sizeof moved, "%s-moved", r->path);
    assert_int_equal(rename(r->path, moved), 0);
    assert_int_equal(mkdir(r->path, 0700), 0);
    assert_int_equal(store_check_place(st, &err), STORE_PLACE_MOVED);
    assert_non_null(strstr(err.text, moved));
    for (int i = 0; i < 20; i++)
        OK(world_tick(st, &w, i, &fault));
    store_close(st);
    // Nothing was made in the directory that took the old name.
    assert_int_equal(rmdir(r->path), 0);
    assert_int_equal(rename(moved, r->path), 0);
    OK(store_open_read(r->fd, &st, &fault));
    assert_int_equal(world_check(st, 19), 20);
    store_close(st);
}

static void removed_file_is_noticed_and_succeeded(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    struct seep_err err;
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    unlinkat(r->fd, "run.db", 0);
    assert_int_equal(store_check_place(st, &err), STORE_PLACE_GONE);
    assert_true(store_degraded(st));
    OK(world_tick(st, &w, 1, &fault));
    assert_int_equal(store_check_place(st, &err), STORE_PLACE_SAME);
    assert_true(rig_has(r, "run.2.db"));
    store_close(st);
    OK(store_open_read(r->fd, &st, &fault));
    struct store_stack_matrix mx;
    OK(store_read_stack_matrix(st, &mx, &fault));
    assert_int_equal(mx.m, 1);
    assert_true(mx.live_bytes[2] == 77); // unchanged since the lost file, and yet known
    store_free_stack_matrix(&mx);
    assert_int_equal(count_events(st, "successor", NULL), 1);
    store_close(st);
}

static void descriptors_stay_above_two(void **state)
{
    struct rig *r = *state;
    pid_t pid = fork();
    if (pid == 0) {
        int dir = fcntl(r->fd, F_DUPFD_CLOEXEC, 50);
        for (int fd = 0; fd < 3; fd++)
            close(fd);
        struct store *st;
        struct world w;
        struct seep_err err;
        if (store_create(dir, &st, &err) || world_names(st, &w, &err) || world_tick(st, &w, 0, &err))
            _exit(1);
        for (int fd = 0; fd < 3; fd++) {
            char link[64], path[64];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            ssize_t n = readlink(link, path, sizeof path - 1);
            path[n > 0 ? n : 0] = 0;
            if (strstr(path, ".db"))
                _exit(2);
        }
        store_close(st);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void reader_in_another_process_while_writing(void **state)
{
    struct rig *r = *state;
    struct store *st;
    struct world w;
    int done[2];
    assert_int_equal(pipe(done), 0);
    OK(store_create(r->fd, &st, &fault));
    OK(world_names(st, &w, &fault));
    OK(world_tick(st, &w, 0, &fault));
    pid_t pid = fork();
    if (pid == 0) {
        struct store *rd;
        struct seep_err err;
        int64_t last = 0;
        close(done[1]);
        fcntl(done[0], F_SETFL, O_NONBLOCK);
        if (store_open_read(r->fd, &rd, &err))
            _exit(1);
        for (char c; read(done[0], &c, 1) < 0;) {
            int64_t n = world_compare(rd, -1, WORLD_LIVE);
            if (n < last)
                _exit(2);
            last = n;
        }
        _exit(world_check(rd, 299) == 300 ? 0 : 3);
    }
    close(done[0]);
    for (int i = 1; i < 300; i++)
        OK(world_tick(st, &w, i, &fault));
    close(done[1]);
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    store_close(st);
}

// Each round: a child writes and acknowledges through a pipe until it is killed at a random moment.
static void killed_writer_loses_nothing(void **state)
{
    struct rig *r = *state;
    unsigned seed = 20261121;
    for (int round = 0; round < 60; round++) {
        int ack[2];
        assert_int_equal(pipe(ack), 0);
        pid_t pid = fork();
        if (pid == 0) {
            struct store *st;
            struct world w;
            struct seep_err err;
            int rc = rig_has(r, "run.db") ? store_open_write(r->fd, &st, &err) : store_create(r->fd, &st, &err);
            if (rc || world_names(st, &w, &err))
                fprintf(stderr, "%s\n", err.text), _exit(1);
            for (int64_t i = store_last_tick(st) + 1;; i++)
                if (world_tick(st, &w, i, &err) || write(ack[1], &i, sizeof i) != sizeof i)
                    fprintf(stderr, "%s\n", err.text), _exit(1);
        }
        close(ack[1]);
        int64_t acked = -1, i;
        for (int n = rand_r(&seed) % 12; n > 0 && read(ack[0], &i, sizeof i) == sizeof i; n--)
            acked = i;
        usleep((unsigned)rand_r(&seed) % 3000);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        while (read(ack[0], &i, sizeof i) == sizeof i)
            acked = i;
        close(ack[0]);
        struct store *st;
        struct seep_err err;
        if (store_open_read(r->fd, &st, &err)) { // killed while it was being made
            assert_true(acked < 0);
            rig_empty(r);
            continue;
        }
        assert_true(world_check(st, acked) >= 0);
        assert_false(store_degraded(st));
        store_close(st);
        if (round % 6 == 5)
            rig_integrity(r); // this empties the log; the other rounds leave it to the next writer
    }
}

// The check that the rounds above rely on must be able to fail.
static void integrity_check_sees_damage(void **state)
{
    struct rig *r = *state;
    char path[200];
    fill_run(r->fd, 300);
    rig_integrity(r);
    snprintf(path, sizeof path, "%s/run.db", r->path);
    int fd = openat(r->fd, "run.db", O_RDWR | O_CLOEXEC);
    off_t size = lseek(fd, 0, SEEK_END);
    assert_true(size > 8 * 4096);
    for (off_t at = 4096; at < size; at += 4096)
        assert_int_equal(pwrite(fd, "\xff\xff\xff", 3, at + 1), 3);
    close(fd);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, "unix"), SQLITE_OK);
    char *words = integrity_of(db);
    assert_string_not_equal(words, "ok");
    free(words);
    sqlite3_close(db);
}

static void ten_thousand_ticks_stay_small(void **state)
{
    struct rig *r = *state;
    struct store *st;
    uint32_t ids[60];
    OK(store_create(r->fd, &st, &fault));
    for (int i = 0; i < 60; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        OK(store_series(st, name, "", "bytes", SERIES_GAUGE, &ids[i], &fault));
    }
    // Durability of each is not what is measured here.
    sqlite3_exec(st->parts[0].db, "PRAGMA synchronous = OFF", NULL, NULL, NULL);
    for (int64_t i = 0; i < 10000; i++) {
        struct store_point p[60];
        for (int k = 0; k < 60; k++)
            p[k] = (struct store_point){ids[k], (double)(400000000 + i * 4096 * k)};
        struct store_tick t = {.index = i, .time = at_second(i), .points = p, .n_points = 60};
        OK(store_write_tick(st, &t, &fault));
        if (i % 1000 == 0)
            assert_in_range(st->parts[0].wal_pages, 1, 4095);
    }
    store_close(st);
    struct stat sb;
    assert_int_equal(fstatat(r->fd, "run.db", &sb, 0), 0);
    assert_in_range(sb.st_size, 1000000, 8 << 20);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        T(round_trip_of_ticks),
        T(unknown_stays_unknown),
        T(hostile_text_comes_back_as_it_was),
        T(ages_epochs_and_replacing),
        T(stack_values_are_carried_forward),
        T(our_own_mistakes_are_refused),
        T(ids_and_values_go_on_over_resume),
        T(refusals_name_the_reason),
        T(hundred_writers_one_wins),
        T(place_is_watched),
        T(removed_file_is_noticed_and_succeeded),
        T(descriptors_stay_above_two),
        T(reader_in_another_process_while_writing),
        T(killed_writer_loses_nothing),
        T(integrity_check_sees_damage),
        T(ten_thousand_ticks_stay_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
