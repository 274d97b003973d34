// The process tree and its sums: see tree.h.
#include "linux/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/esc.h"
#include "linux/text.h"

#define CHILDREN_TEXT 65536
#define SCAN_MAX      65536

// --- walking
// ---------------------------------------------------------------------------------------------------------------

static void add_node(int proc_fd, struct linux_tree *t, pid_t pid, pid_t parent, uint32_t depth)
{
    struct linux_stat st;
    if (linux_stat_read(proc_fd, pid, &st, NULL) < 0)
        return; // ended meanwhile
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i].pid == pid)
            return; // moved to a new parent while we walked
    if (t->count == LINUX_TREE_MAX) {
        t->beyond++;
        return;
    }
    t->zombies += st.state == 'Z';
    t->nodes[t->count++] = (struct linux_tree_node){
        .pid = pid, .ppid = parent, .starttime_ticks = st.starttime_ticks, .state = st.state, .depth = depth};
}

static void add_listed(int proc_fd, struct linux_tree *t, char *text, pid_t parent, uint32_t depth)
{
    for (char *end; *text; text = end) {
        long pid = strtol(text, &end, 10);
        if (end == text)
            return;
        if (pid > 0)
            add_node(proc_fd, t, (pid_t)pid, parent, depth);
    }
}

// The children of all threads of pid. 0, or -1 when the kernel has no such file or the process is gone.
static int add_children(int proc_fd, struct linux_tree *t, pid_t pid, uint32_t depth)
{
    static _Thread_local char text[CHILDREN_TEXT];
    char path[96];
    snprintf(path, sizeof path, "%d/task", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *tasks = fd >= 0 ? fdopendir(fd) : NULL;
    if (!tasks) {
        if (fd >= 0)
            close(fd);
        return -1;
    }
    int rc = -1;
    for (struct dirent *e; (e = readdir(tasks));) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%.20s/children", e->d_name);
        if (text_read(dirfd(tasks), path, text, sizeof text) < 0)
            continue;
        rc = 0;
        add_listed(proc_fd, t, text, pid, depth);
    }
    closedir(tasks);
    return rc;
}

int linux_tree_walk(int proc_fd, pid_t root, struct linux_tree *t, struct seep_err *err)
{
    struct linux_stat st;
    t->count = t->beyond = t->zombies = 0;
    if (linux_stat_read(proc_fd, root, &st, err) < 0)
        return -1;
    if (add_children(proc_fd, t, root, 1) < 0)
        return linux_tree_scan(proc_fd, root, t, err);
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i].state != 'Z')
            add_children(proc_fd, t, t->nodes[i].pid, t->nodes[i].depth + 1);
    return 0;
}

struct scanned {
    pid_t pid, ppid;
};

static size_t scan_processes(int proc_fd, struct scanned *all)
{
    size_t count = 0;
    int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (struct dirent *e; (e = readdir(dir)) && count < SCAN_MAX;) {
        int64_t pid;
        struct linux_stat st;
        if (text_number(e->d_name, &pid) && linux_stat_read(proc_fd, (pid_t)pid, &st, NULL) == 0)
            all[count++] = (struct scanned){(pid_t)pid, st.ppid};
    }
    closedir(dir);
    return count;
}

int linux_tree_scan(int proc_fd, pid_t root, struct linux_tree *t, struct seep_err *err)
{
    struct linux_stat st;
    t->count = t->beyond = t->zombies = 0;
    if (linux_stat_read(proc_fd, root, &st, err) < 0)
        return -1;
    struct scanned *all = malloc(SCAN_MAX * sizeof *all);
    if (!all)
        return seep_fail_errno(err, ENOMEM, "the processes cannot be listed");
    size_t total = scan_processes(proc_fd, all);
    for (size_t j = 0; j < total; j++)
        if (all[j].ppid == root)
            add_node(proc_fd, t, all[j].pid, root, 1);
    for (size_t i = 0; i < t->count; i++)
        for (size_t j = 0; j < total; j++)
            if (all[j].ppid == t->nodes[i].pid)
                add_node(proc_fd, t, all[j].pid, t->nodes[i].pid, t->nodes[i].depth + 1);
    free(all);
    return 0;
}

int linux_tree_walk_from(int proc_fd, pid_t root, struct linux_tree *t, struct seep_err *err)
{
    struct linux_stat st;
    if (linux_stat_read(proc_fd, root, &st, err) < 0 || linux_tree_walk(proc_fd, root, t, err))
        return -1;
    size_t keep = t->count < LINUX_TREE_MAX ? t->count : LINUX_TREE_MAX - 1;
    t->beyond += t->count - keep;
    memmove(&t->nodes[1], &t->nodes[0], keep * sizeof t->nodes[0]);
    t->nodes[0] = (struct linux_tree_node){
        .pid = root, .ppid = st.ppid, .starttime_ticks = st.starttime_ticks, .state = st.state};
    t->count = keep + 1;
    t->zombies += st.state == 'Z';
    return 0;
}

static bool has_pid(const struct linux_tree *t, pid_t pid)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->nodes[i].pid == pid)
            return true;
    return false;
}

void linux_tree_join(int proc_fd, struct linux_tree *t, pid_t pid, uint64_t starttime_ticks)
{
    struct linux_stat st;
    size_t from = t->count;
    if (has_pid(t, pid) || linux_stat_read(proc_fd, pid, &st, NULL) < 0 || st.starttime_ticks != starttime_ticks ||
        st.state == 'Z' || st.state == 'X')
        return;
    add_node(proc_fd, t, pid, st.ppid, 1);
    for (size_t i = from; i < t->count; i++)
        if (t->nodes[i].state != 'Z')
            add_children(proc_fd, t, t->nodes[i].pid, t->nodes[i].depth + 1);
}

int linux_tasks_list(int proc_fd, pid_t pid, pid_t *tids, size_t max, struct seep_err *err)
{
    char path[64];
    size_t n = 0;
    snprintf(path, sizeof path, "%d/task", (int)pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int saved = errno;
        if (fd >= 0)
            close(fd);
        return text_fail(err, saved, pid, "task");
    }
    for (struct dirent *e; n < max && (e = readdir(dir));) {
        int64_t tid;
        if (text_number(e->d_name, &tid))
            tids[n++] = (pid_t)tid;
    }
    closedir(dir);
    return (int)n;
}

int linux_tree_describe(int proc_fd, const struct linux_tree_node *node, char *text, size_t size)
{
    struct linux_stat st;
    struct seep_buf name;
    buf_init(&name, 512);
    if (linux_stat_read(proc_fd, node->pid, &st, NULL) == 0 && st.starttime_ticks == node->starttime_ticks)
        esc_term(&name, st.comm, strlen(st.comm));
    int len = snprintf(text, size, "pid %d (%s) %c", (int)node->pid, name.len ? name.data : "gone", node->state);
    buf_free(&name);
    return len;
}

// --- sampling
// --------------------------------------------------------------------------------------------------------------

static void unknown_sample(struct linux_sample *s)
{
    int64_t *field = (int64_t *)s;
    for (size_t i = 0; i < sizeof *s / sizeof *field; i++)
        field[i] = SEEP_UNKNOWN;
    s->processes = s->zombies = s->stopped = s->denied = s->gone = 0;
}

static bool denied(const struct seep_err *e)
{
    return e->code == SEEP_E_UNSUPPORTED;
}

static void add_memory(int proc_fd, pid_t pid, struct linux_sample *s, bool *missing)
{
    struct linux_status st;
    struct linux_statm sm;
    struct seep_err e = {0};
    if (linux_status_read(proc_fd, pid, &st, &e) == 0 && st.rss_anon_bytes != SEEP_UNKNOWN) {
        text_add(&s->rss_anon_bytes, st.rss_anon_bytes);
        text_add(&s->rss_file_bytes, st.rss_file_bytes);
        text_add(&s->rss_shmem_bytes, st.rss_shmem_bytes);
        text_add(&s->swap_bytes, st.swap_bytes);
        text_add(&s->voluntary_switches, st.voluntary_switches);
        text_add(&s->involuntary_switches, st.involuntary_switches);
        text_add(&s->rss_bytes, st.rss_anon_bytes + st.rss_file_bytes + st.rss_shmem_bytes);
    } else if (linux_statm_read(proc_fd, pid, &sm, &e) == 0) {
        text_add(&s->rss_bytes, sm.resident_bytes);
        *missing = true;
    } else {
        *missing |= denied(&e);
    }
}

static void add_rollup(int proc_fd, pid_t pid, struct linux_sample *s, bool *missing)
{
    struct linux_rollup r;
    struct seep_err e = {0};
    if (linux_rollup_read(proc_fd, pid, &r, &e) < 0) {
        *missing |= denied(&e);
        return;
    }
    text_add(&s->pss_bytes, r.pss_bytes);
    text_add(&s->pss_anon_bytes, r.pss_anon_bytes);
    text_add(&s->pss_file_bytes, r.pss_file_bytes);
    text_add(&s->pss_shmem_bytes, r.pss_shmem_bytes);
    text_add(&s->private_dirty_bytes, r.private_dirty_bytes);
    text_add(&s->lazy_free_bytes, r.lazy_free_bytes);
}

static void add_fds(int proc_fd, pid_t pid, int64_t deadline_ns, struct linux_sample *s, bool *missing)
{
    struct linux_fds f;
    struct seep_err e = {0};
    int64_t left = deadline_ns - clock_mono_ns();
    if (linux_fds_count(proc_fd, pid, left > 1 ? left : 1, &f, &e) < 0) {
        *missing |= denied(&e);
        return;
    }
    text_add(&s->fds, f.total);
    text_add(&s->fds_unclassified, f.unclassified);
    for (int k = 0; k < LINUX_FD_KINDS; k++)
        text_add(&s->fds_by_kind[k], f.by_kind[k]);
}

static void add_io(int proc_fd, pid_t pid, struct linux_sample *s, bool *missing)
{
    struct linux_io io;
    struct seep_err e = {0};
    if (linux_io_read(proc_fd, pid, &io, &e) < 0) {
        *missing |= denied(&e);
        return;
    }
    text_add(&s->io_read_bytes, io.read_bytes);
    text_add(&s->io_write_bytes, io.write_bytes);
    text_add(&s->io_rchar, io.rchar);
    text_add(&s->io_wchar, io.wchar);
}

static void add_maps(int proc_fd, pid_t pid, struct linux_sample *s, bool *missing)
{
    int64_t maps;
    struct seep_err e = {0};
    if (linux_maps_count(proc_fd, pid, &maps, &e) == 0)
        text_add(&s->maps, maps);
    else
        *missing |= denied(&e);
}

// starttime 0: whoever has the pid. The identity is checked before and after, so numbers of a successor are never
// added.
static void add_process(int proc_fd, pid_t pid, uint64_t starttime, uint32_t want, int64_t deadline_ns,
                        struct linux_sample *sum)
{
    struct linux_stat st, after;
    struct linux_sample s = *sum;
    bool missing = false;
    if (linux_stat_read(proc_fd, pid, &st, NULL) < 0 || (starttime && st.starttime_ticks != starttime)) {
        sum->gone++;
        return;
    }
    text_add(&s.utime_us, st.utime_us);
    text_add(&s.stime_us, st.stime_us);
    text_add(&s.minflt, st.minflt);
    text_add(&s.majflt, st.majflt);
    if (st.state == 'Z' || st.state == 'X') {
        s.zombies++;
        *sum = s;
        return;
    }
    s.processes++;
    s.stopped += st.state == 'T' || st.state == 't';
    text_add(&s.threads, st.threads);
    text_add(&s.vsize_bytes, st.vsize_bytes);
    add_memory(proc_fd, pid, &s, &missing);
    if (want & LINUX_WANT_ROLLUP)
        add_rollup(proc_fd, pid, &s, &missing);
    if (want & LINUX_WANT_FDS)
        add_fds(proc_fd, pid, deadline_ns, &s, &missing);
    if (want & LINUX_WANT_IO)
        add_io(proc_fd, pid, &s, &missing);
    if (want & LINUX_WANT_MAPS)
        add_maps(proc_fd, pid, &s, &missing);
    s.denied += missing;
    if (linux_stat_read(proc_fd, pid, &after, NULL) < 0 || after.starttime_ticks != st.starttime_ticks ||
        after.state == 'Z')
        sum->gone++; // ended while being read: half its numbers are those of a dead process
    else
        *sum = s;
}

static int64_t deadline_of(int64_t budget_ns)
{
    return clock_mono_ns() + (budget_ns > 0 ? budget_ns : 20000000);
}

int linux_tree_sample(int proc_fd, const struct linux_tree *tree, uint32_t want, int64_t budget_ns,
                      struct linux_sample *out, struct seep_err *err)
{
    (void)err; // processes that cannot be read are counted, not errors
    int64_t deadline = deadline_of(budget_ns);
    unknown_sample(out);
    for (size_t i = 0; i < tree->count; i++)
        add_process(proc_fd, tree->nodes[i].pid, tree->nodes[i].starttime_ticks, want, deadline, out);
    return 0;
}
