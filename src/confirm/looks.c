// Looks: memcheck is asked through vgdb, while the target works, for all blocks there are. See pass.h.
//
// A process that does not answer within a minute is not asked again: there may be many, and the pass has its limit.
#include "base/clock.h"
#include "confirm/passing.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOOK_S = 60 };

static bool is_mute(const struct passing *s, pid_t pid)
{
    for (size_t i = 0; i < s->n_mute; i++)
        if (s->mute[i] == pid)
            return true;
    return false;
}

// The processes that valgrind watches, by the names of its pipes.
size_t confirm_pass_pids(const struct confirm_pass *p, pid_t pids[CONFIRM_PIDS_MAX])
{
    DIR *d = fdopendir(openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    size_t n = 0;
    for (struct dirent *e; d && n < CONFIRM_PIDS_MAX && (e = readdir(d)) != NULL;) {
        static const char lead[] = "vgdb-from-vgdb-to-";
        long pid = strncmp(e->d_name, lead, sizeof lead - 1) ? 0 : strtol(e->d_name + sizeof lead - 1, NULL, 10);
        if (pid > 0 && kill((pid_t)pid, 0) == 0)
            pids[n++] = (pid_t)pid;
    }
    if (d)
        closedir(d);
    return n;
}

// A worker that gave up root's rights cannot open the pipes that valgrind made as root, nor signal a vgdb of root's,
// which valgrind does to see whether it is still there. So the pipes become the worker's, and vgdb gets its real user.
// False when it could not reach them all the same: woken by vgdb, valgrind would end it for that. *user stays -1 when
// it is our own.
static bool hand_over(const struct confirm_pass *p, pid_t pid, uid_t *user)
{
    char path[32], of_pid[40];
    bool done = true;
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d",
             (int)pid); // the directory is the effective user's; what is in it may not be
    if (geteuid() != 0 || stat(path, &st) || st.st_uid == 0)
        return true;
    int len = snprintf(of_pid, sizeof of_pid, "-%d-", (int)pid);
    DIR *d = fdopendir(openat(p->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *e; d && len > 0 && (e = readdir(d)) != NULL;)
        if (!strncmp(e->d_name, "vgdb-", 5) && strstr(e->d_name, of_pid))
            done &= fchownat(p->dir_fd, e->d_name, st.st_uid, (gid_t)-1, AT_SYMLINK_NOFOLLOW) == 0;
    if (d)
        closedir(d);
    *user = st.st_uid;
    return p->reachable && done && fchmod(p->dir_fd, 0711) == 0;
}

// The child of a look: its output goes to a file of its own, of bounded size.
static pid_t spawn_vgdb(const struct confirm_pass *p, pid_t target, const char *name)
{
    char prefix[400], pid[40];
    snprintf(prefix, sizeof prefix, "--vgdb-prefix=%s/vgdb", p->dir);
    snprintf(pid, sizeof pid, "--pid=%d", (int)target);
    uid_t user = (uid_t)-1;
    if (!hand_over(p, target, &user))
        return -1;
    pid_t child_pid = fork();
    if (child_pid != 0)
        return child_pid;
    struct rlimit size = {CONFIRM_TEXT_MAX, CONFIRM_TEXT_MAX};
    int out = openat(p->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0600), in = open("/dev/null", O_RDWR);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_FSIZE, &size);
    dup2(in, 0);
    dup2(out, 1);
    dup2(in, 2);
    if (user != (uid_t)-1 && setreuid(user, (uid_t)-1))
        _exit(126);
    execlp("vgdb", "vgdb", prefix, pid, "leak_check", "full", "reachable", "any", "unlimited", (char *)NULL);
    _exit(127);
}

static bool look_at(struct passing *s, pid_t target, int point)
{
    char name[64];
    int status = 0;
    int64_t end = clock_mono_ns() + LOOK_S * 1000000000ll;
    snprintf(name, sizeof name, "look.%d.%d", point, (int)target);
    pid_t pid = spawn_vgdb(s->p, target, name);
    if (pid < 0)
        return false;
    pid_t done = 0;
    while ((done = waitpid(pid, &status, WNOHANG)) == 0 && clock_mono_ns() < end && confirm_pass_watch(s, "looking"))
        ;
    if (done == 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return false;
    }
    int fd = openat(s->p->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct seep_buf text;
    char chunk[65536];
    buf_init(&text, CONFIRM_TEXT_MAX);
    for (ssize_t got; fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0;)
        buf_add(&text, chunk, (size_t)got);
    confirm_atlas_note(&s->p->sites->atlas, s->proc_fd, target);
    s->p->sites->places = confirm_atlas_find(&s->p->sites->atlas, target);
    bool right = text.len > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (right)
        confirm_read_text(text.data, text.len, point, s->p->sites);
    buf_free(&text);
    if (fd >= 0)
        close(fd);
    return right;
}

bool confirm_pass_has_begun(const struct passing *s)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    return confirm_pass_pids(s->p, pids) > 0;
}

// Who ends before the first look still has its frames named.
void confirm_pass_note_places(struct passing *s)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    int64_t now = clock_mono_ns();
    if (!s->p->sites || now - s->noted_ns < 500000000)
        return;
    s->noted_ns = now;
    size_t n = confirm_pass_pids(s->p, pids);
    for (size_t i = 0; i < n; i++)
        if (!confirm_atlas_find(&s->p->sites->atlas, pids[i]))
            confirm_atlas_note(&s->p->sites->atlas, s->proc_fd, pids[i]);
}

// The target's main process has ended; whoever it left gets the same signal, and valgrind's time to report.
void confirm_pass_stop_rest(struct passing *s, int sig, int64_t end)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    bool told = false;
    while (clock_mono_ns() < end) {
        while (waitpid(-1, NULL, WNOHANG) > 0) // orphans are ours to wait for
            ;
        size_t n = confirm_pass_pids(s->p, pids);
        if (n == 0)
            return;
        for (size_t i = 0; i < n && !told; i++)
            kill(pids[i], sig);
        told = true;
        confirm_pass_wait(s);
    }
}

void confirm_pass_look(struct passing *s, int point)
{
    pid_t pids[CONFIRM_PIDS_MAX];
    size_t n = confirm_pass_pids(s->p, pids), seen = 0;
    for (size_t i = 0; i < n && !s->ended && !s->p->word; i++) {
        if (is_mute(s, pids[i]))
            continue;
        if (look_at(s, pids[i], point))
            seen++;
        else if (kill(pids[i], 0) == 0 && s->n_mute < CONFIRM_PIDS_MAX)
            s->mute[s->n_mute++] = pids[i]; // asked once in vain, a minute each time: not again
    }
    s->p->looks += seen > 0;
    if (n > s->p->processes)
        s->p->processes = n;
}
