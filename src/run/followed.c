// Processes and their states: see followed.h.
#include "run/followed.h"

#include <stdio.h>
#include <string.h>

#include "linux/preload.h"
#include "linux/proc.h"

static struct followed_process *find(struct followed *f, pid_t pid, uint64_t starttime_ticks)
{
    for (size_t i = 0; i < f->count; i++)
        if (f->process[i].pid == pid && f->process[i].starttime_ticks == starttime_ticks)
            return &f->process[i];
    if (f->count == FOLLOWED_MAX) {
        f->beyond++;
        return NULL;
    }
    struct followed_process *p = &f->process[f->count++];
    *p = (struct followed_process){.pid = pid, .starttime_ticks = starttime_ticks};
    return p;
}

static void find_why(struct followed_process *p, int proc_fd)
{
    if (linux_preload_of(proc_fd, p->pid, "libseep-probe.so", p->why, sizeof p->why) == LINUX_PRELOAD_MAPPED)
        snprintf(p->why, sizeof p->why,
                 "the probe is there and stays off: the process restricted its system calls, has not allocated since "
                 "it was forked, or found no room or nobody to ask");
}

// False when it has ended since: what was known of it stays.
static bool find_name(struct followed_process *p, int proc_fd, const struct linux_tree_node *node)
{
    struct linux_stat st;
    if (p->name[0] && (linux_stat_read(proc_fd, p->pid, &st, NULL) || st.starttime_ticks != p->starttime_ticks))
        return false;
    int len = linux_tree_describe(proc_fd, node, p->name, sizeof p->name);
    if (len > 2 && (size_t)len < sizeof p->name)
        p->name[len - 2] = '\0'; // without the state it happened to be in
    return true;
}

void followed_note(struct followed *f, int proc_fd, const struct linux_tree_node *node, enum followed_state state,
                   const char *why)
{
    struct followed_process *p = find(f, node->pid, node->starttime_ticks);
    if (!p)
        return;
    p->looks++;
    // It may execute another program at any time: looked at anew, the more rarely the longer it has been there.
    bool news = (p->looks & (p->looks - 1)) == 0 || state != p->state;
    news |= state == FOLLOWED_YES && why && why[0] && !p->why[0]; // something was learned of it meanwhile
    if (!news || !find_name(p, proc_fd, node))
        return;
    p->state = state;
    snprintf(p->why, sizeof p->why, "%s", why ? why : "");
    if (state == FOLLOWED_NO && !p->why[0])
        find_why(p, proc_fd);
}

bool followed_sentence(const struct followed *f, size_t i, char *text, size_t size)
{
    static const char *const words[] = {"is attributed", "was attributed until its probe turned itself off",
                                        "is not attributed"};
    const struct followed_process *p = &f->process[i];
    if (p->looks < 2)
        return false;
    snprintf(text, size, "The process %s %s%s%s.", p->name, words[p->state], p->why[0] ? ": " : "", p->why);
    return true;
}
