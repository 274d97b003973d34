// Before a run goes on after its supervisor was lost, or is closed: what the store and the keeper know is read back.
#include "base/fs.h"
#include "linux/host.h"
#include "run/attach.h"
#include "run/state.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t meta_ns(struct store *st, const char *key)
{
    char *text = NULL;
    int64_t v = SEEP_UNKNOWN;
    if (store_get_meta(st, key, &text, NULL) == 0 && text)
        v = strtoll(text, NULL, 10);
    free(text);
    return v;
}

static int read_profile(struct run *r, struct seep_err *err)
{
    char *text = NULL;
    if (store_get_meta(r->store, M_PROFILE, &text, err))
        return -1;
    if (!text)
        return seep_fail(err, SEEP_E_CORRUPT, "The run in '%.300s' holds no profile: it never started", r->dir);
    int rc = profile_parse(text, strlen(text), "the profile in the store", &r->own_profile, err);
    free(text);
    r->profile = r->own_profile;
    return rc;
}

static bool same_boot(struct run *r)
{
    struct linux_host host;
    char *stored = NULL;
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    linux_host_read(root, &host);
    close(root);
    store_get_meta(r->store, "host.boot_id", &stored, NULL);
    bool same = stored && !strcmp(stored, host.boot_id);
    free(stored);
    return same;
}

static void read_progress(struct run *r)
{
    struct store_ticks ticks = {0};
    int64_t mono = meta_ns(r->store, "measure.mono");
    r->tick_index = store_last_tick(r->store) + 1;
    if (mono != SEEP_UNKNOWN) {
        r->has_measure = true;
        r->measure_began = (struct seep_time){.mono_ns = mono,
                                              .real_ns = meta_ns(r->store, "measure.real"),
                                              .boot_ns = meta_ns(r->store, "measure.boot")};
    }
    if (store_read_ticks(r->store, &ticks, NULL) == 0 && ticks.n > 0) {
        struct seep_time last = ticks.time[ticks.n - 1], now = clock_read();
        int64_t missed = (int64_t)((double)(now.mono_ns - last.mono_ns) / 1e9 / r->interval_s);
        r->has_last_stored = true;
        r->last_stored = last;
        if (r->adopting && now.mono_ns > last.mono_ns)
            run_event_span(r, E_GAP, last, now, missed, "The supervisor was gone; the run was taken up again.");
    }
    store_free_ticks(&ticks);
}

static void read_cgroup(struct run *r)
{
    void *data = NULL;
    size_t len = 0;
    if (store_get_meta_blob(r->store, RUN_META_CGROUP, &data, &len, NULL) == 0 && data && len == sizeof r->cgroup)
        memcpy(&r->cgroup, data, len);
    free(data);
}

static bool stored_is(struct run *r, const char *key, const char *value)
{
    char *text = NULL;
    store_get_meta(r->store, key, &text, NULL);
    bool is = text && !strcmp(text, value);
    free(text);
    return is;
}

// Killed after its end record was durable, a supervisor leaves a keeper that waits to be told to go: that is all there
// is to do for such a run.
static int look_for_end(struct run *r, struct seep_err *err)
{
    struct seep_time when;
    char *reason = NULL, *json = NULL;
    int rc = store_read_end(r->store, &r->had_ended, &when, &reason, &r->exit_code, &json, err);
    free(reason);
    free(json);
    if (rc || !r->had_ended)
        return rc;
    read_cgroup(r);
    struct seep_err none;
    if (same_boot(r) && keeper_attach(r->dir_fd, true, &r->link, &none) == 0)
        r->linked = true;
    return 0;
}

int run_setup_again(struct run *r, bool *alive, struct seep_err *err)
{
    *alive = false;
    r->dir_fd = fs_open_dir(r->dir, false, err);
    if (r->dir_fd < 0 || store_open_write(r->dir_fd, &r->store, err) || look_for_end(r, err))
        return -1;
    if (r->had_ended)
        return 0;
    if (read_profile(r, err))
        return -1;
    if (writer_init(&r->writer, r->store, NULL, err))
        return -1;
    const char *slash = strrchr(r->dir, '/');
    snprintf(r->id, sizeof r->id, "%.70s", slash ? slash + 1 : r->dir);
    char *stored_id = NULL;
    if (store_get_meta(r->store, M_RUN, &stored_id, NULL) == 0 && stored_id)
        snprintf(r->id, sizeof r->id, "%.70s", stored_id);
    free(stored_id);
    run_derive(r);
    bool sampled = stored_is(r, M_ATTRIBUTION, "sampled");
    char *attached = NULL;
    store_get_meta(r->store, M_ATTACHED, &attached, NULL);
    bool probed = !attached && (sampled || stored_is(r, M_ATTRIBUTION, "exact"));
    free(attached);
    if (run_make_parts(r, probed, sampled, err))
        return -1;
    read_cgroup(r);
    bool boot = same_boot(r);
    if (boot && attach_again(r, alive, err))
        return -1;
    if (r->attached) {
        read_progress(r);
        return 0;
    }
    if (boot && keeper_attach(r->dir_fd, true, &r->link, err) == 0) {
        r->linked = true;
        *alive = true;
        r->sampler.root = r->link.keeper_pid;
        if (run_faults_setup(r, err) || run_deps_attach(r, err))
            return -1;
    } else if (boot && err->code != SEEP_E_TARGET) {
        return -1; // another supervisor, or another version: not ours to close
    } else if (boot && run_keeper_lives(r->dir_fd)) {
        return seep_fail(err, SEEP_E_TARGET, "The keeper of the run lives and takes no connection now; try again");
    } else if (!boot) {
        snprintf(r->outcome.text, sizeof r->outcome.text, "The machine was started anew during the run.");
    }
    read_progress(r);
    if (r->sampler.heap)
        heap_restore(r->sampler.heap, r->store);
    return run_faults_adopt(r, err);
}
