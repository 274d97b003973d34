// What a supervisor does to the target for a while, and what becomes of it when that supervisor is gone.
//
// A fault of the profile stops the target or lowers a limit of its control group, and takes that back seconds later. A
// supervisor that dies in between would leave the target stopped for ever. So the keeper does both: it remembers that
// the target was stopped, ended, and what each limit was before, and undoes all of it as soon as nobody has control any
// more. A target that was killed only for a while is started again.
//
// A companion (a dependency of the target) has a keeper of its own; that one ends it when both its supervisor and the
// process that it goes with are gone, so that nothing is left behind for nobody.
#include "keeper/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KNOBS_MAX 8

static struct {
    char dir[4096];
    struct keeper_knob knob;
} knobs[KNOBS_MAX]; // knob.file[0] 0: free

#define LEFTOVERS_NS 1000000000u // children that outlive a target which is to be started again

static bool stopped;
static bool again; // was ended for a while
static bool alone; // and whoever did that is gone: the start is ours

void keeper_undo_note_signal(const struct keeper_signal *s)
{
    bool all = s->whom == KEEPER_WHOM_ALL;
    if (all && s->sig == SIGSTOP)
        stopped = true;
    else if (all && (s->sig == SIGCONT || s->sig == SIGKILL))
        stopped = false;
    if (s->flags & KEEPER_SIGNAL_STOP)
        again = false; // it is to end for good
    else if (s->flags & KEEPER_SIGNAL_AGAIN) {
        again = true;
        alone = false;
    }
}

void keeper_undo_note_start(void)
{
    again = alone = stopped = false;
}

bool keeper_undo_pending(const struct keeper *k)
{
    return again && alone && (k->state == KEEPER_LINGERING || k->state == KEEPER_EMPTY);
}

// A target that ignores the request to end goes on as it is: nothing was taken from it.
void keeper_undo_turn(struct keeper *k)
{
    if (!keeper_undo_pending(k))
        return;
    if (k->state == KEEPER_EMPTY)
        keeper_happens(k, HAPPENS_START);
    else if (keeper_now_ns() - k->exit.end_mono_ns > LEFTOVERS_NS)
        keeper_signal_many(k, SIGKILL, false);
}

static int put(const char *dir, const char *file, const char *text)
{
    char path[4096 + 64];
    if (snprintf(path, sizeof path, "%s/%s", dir, file) >= (int)sizeof path)
        return ENAMETOOLONG;
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t written = write(fd, text, strlen(text));
    int rc = written < 0 ? errno : 0;
    close(fd);
    return rc;
}

// The directory that the target joined in which there is such a file. Names come from our own supervisor; a slash in
// one is a mistake all the same.
static const char *dir_of(const struct keeper *k, const char *file)
{
    char path[4096 + 64];
    for (int i = 0; i < KEEPER_JOIN_MAX && file[0] && !strchr(file, '/'); i++) {
        const char *dir = keeper_string(k, k->cfg->join[i]);
        if (dir && snprintf(path, sizeof path, "%s/%s", dir, file) < (int)sizeof path && access(path, F_OK) == 0)
            return dir;
    }
    return NULL;
}

static int slot_of(const char *file)
{
    for (int i = 0; i < KNOBS_MAX; i++)
        if (!strcmp(knobs[i].knob.file, file))
            return i;
    return -1;
}

// An empty undo means that this is the undoing: nothing is left to remember.
int keeper_knob_set(struct keeper *k, const struct keeper_knob *asked)
{
    struct keeper_knob knob = *asked;
    knob.file[sizeof knob.file - 1] = knob.value[sizeof knob.value - 1] = knob.undo[sizeof knob.undo - 1] = '\0';
    const char *dir = dir_of(k, knob.file);
    if (!dir)
        return ENOENT;
    int slot = slot_of(knob.file);
    if (slot < 0 && knob.undo[0] && (slot = slot_of("")) < 0)
        return ENOSPC;
    int rc = put(dir, knob.file, knob.value);
    if (rc || slot < 0)
        return rc;
    if (!knob.undo[0]) {
        knobs[slot].knob.file[0] = '\0';
    } else if (!knobs[slot].knob.file[0]) { // else an earlier one knows what it was at first
        snprintf(knobs[slot].dir, sizeof knobs[slot].dir, "%s", dir);
        knobs[slot].knob = knob;
    }
    return 0;
}

void keeper_undo_all(struct keeper *k)
{
    for (int i = 0; i < KNOBS_MAX; i++)
        if (knobs[i].knob.file[0]) {
            put(knobs[i].dir, knobs[i].knob.file, knobs[i].knob.undo);
            knobs[i].knob.file[0] = '\0';
        }
    if (stopped && (k->state == KEEPER_RUNNING || k->state == KEEPER_LINGERING))
        keeper_signal_many(k, SIGCONT, false);
    stopped = false;
    alone = true;
}

bool keeper_companion_gone(const struct keeper *k)
{
    pid_t pid = (pid_t)k->cfg->companion_pid;
    return pid > 0 && keeper_starttime(pid) != k->cfg->companion_starttime_ticks;
}
