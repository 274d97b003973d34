// Which processes of an attached tree are watched, for the report, and whether the main one still is. See tap.h.
//
// A process is watched when its allocator's code is one that has breakpoints. That changes when it
// executes another program, so it is asked again, the more rarely the longer it has been so.
#include "base/clock.h"
#include "linux/exe.h"
#include "linux/mem.h"
#include "run/tap_priv.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROWN_UP_S 1.0 // a child is watched from half a second on

struct looking {
    const struct tap_points *points;
    const char *path; // of its allocator
    bool watched;
};

static int look_for_core(const struct linux_map *m, void *arg)
{
    struct looking *l = arg;
    for (size_t i = 0; i < l->points->n_cores && m->perms[2] == 'x' && strcmp(m->path, l->path) == 0; i++)
        l->watched |= m->inode == l->points->cores[i].inode && m->dev_major == l->points->cores[i].dev_major &&
                      m->dev_minor == l->points->cores[i].dev_minor;
    return l->watched;
}

// The C library's code is in a program with another allocator too, so it is the allocator's that counts.
static void look(struct run_tap *t, struct tap_place *place, int proc_fd, pid_t pid)
{
    char name[16] = "", path[LINUX_EXE_PATH_MAX] = "", exe[LINUX_EXE_PATH_MAX] = "", link[64];
    struct looking l = {.points = &t->points, .path = path};
    place->watched = false;
    place->why[0] = 0;
    if (linux_allocator_of(proc_fd, pid, name, path, NULL) != 0)
        return;
    if (!path[0]) {
        snprintf(link, sizeof link, "%d/exe", (int)pid);
        ssize_t len = readlinkat(proc_fd, link, exe, sizeof exe - 1);
        exe[len > 0 ? len : 0] = 0;
        l.path = exe;
    }
    linux_maps_each(proc_fd, pid, look_for_core, &l, NULL);
    place->watched = l.watched;
    if (!l.watched)
        snprintf(place->why, sizeof place->why,
                 "its allocator (%.15s%s%.100s) is none of those that were there when the watching began", name,
                 path[0] ? " " : "", path);
}

static bool is_young(const struct linux_tree_node *n)
{
    int64_t ticks = linux_ticks_per_second();
    double age_s = (double)clock_read().boot_ns / 1e9 - (double)n->starttime_ticks / (double)ticks;
    return age_s < GROWN_UP_S;
}

static struct tap_place *place_of(struct run_tap *t, const struct linux_tree_node *n)
{
    struct tap_place *place = &t->places[(uint32_t)n->pid % TAP_PLACES];
    if (place->pid != n->pid || place->starttime_ticks != n->starttime_ticks)
        *place = (struct tap_place){.pid = n->pid, .starttime_ticks = n->starttime_ticks};
    return place;
}

void tap_follow(struct run_tap *t, int proc_fd, const struct linux_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *n = &tree->nodes[i];
        if (n->state == 'Z' || n->state == 'X' || is_young(n))
            continue;
        struct tap_place *place = place_of(t, n);
        place->looks++;
        if ((place->looks & (place->looks - 1)) == 0 || place->looks % 32 == 0)
            look(t, place, proc_fd, n->pid);
        if (!place->watched && !place->why[0])
            continue; // it cannot be asked: it is ending
        followed_note(&t->followed, proc_fd, n, place->watched ? FOLLOWED_YES : FOLLOWED_NO, place->why);
        if (n->pid == t->main_pid && t->points.main_too && !place->watched && place->looks > 1) {
            snprintf(t->main_lost, sizeof t->main_lost, "%s", place->why);
            atomic_store(&t->main_is_lost, true);
        }
    }
}

size_t tap_kin(struct run_tap *t, struct linux_tree_node kin[TAP_KIN_MAX])
{
    pthread_mutex_lock(&t->lock);
    size_t n = t->n_kin < TAP_KIN_MAX ? t->n_kin : TAP_KIN_MAX;
    memcpy(kin, t->kin, n * sizeof *kin);
    pthread_mutex_unlock(&t->lock);
    return n;
}

size_t tap_processes(const struct run_tap *t)
{
    return t->followed.count;
}

bool tap_process(const struct run_tap *t, size_t i, char *text, size_t size)
{
    return followed_sentence(&t->followed, i, text, size);
}
