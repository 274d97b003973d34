// A program within bounds: see exec.h. We become the subreaper, so that whoever leaves the program's group is still a
// descendant of ours, and found by the tree.
#include "proof/exec.h"
#include "base/clock.h"
#include "linux/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// How long what a program left behind may keep its output open after its own end, and how long killing may take.
enum { LOOK_MS = 200, LINGER_MS = 200, KILL_MS = 3000 };

struct running {
    pid_t pid;
    int pidfd, out_fd;
    bool ended;
    int status;
};

static _Noreturn void child(const struct proof_exec *w, int out_fd, int err_fd)
{
    int in = open(w->stdin_path ? w->stdin_path : "/dev/null", O_RDONLY);
    int code = in < 0 ? errno : 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    for (int i = 0; i < w->n_env; i++)
        w->env[i].value ? setenv(w->env[i].key, w->env[i].value, 1) : unsetenv(w->env[i].key);
    if (!code && (dup2(in, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(out_fd, 2) < 0 || (w->cwd && chdir(w->cwd))))
        code = errno;
    signal(SIGPIPE, SIG_DFL);
    if (!code) {
        execvp(w->argv[0], (char *const *)w->argv);
        code = errno;
    }
    if (write(err_fd, &code, sizeof code) < 0)
        _exit(126);
    _exit(127);
}

// -1 with the reason when it did not begin.
static int begin(const struct proof_exec *w, struct running *r, struct proof_exec_result *out)
{
    int pipes[4] = {-1, -1, -1, -1}, code = 0;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    fflush(NULL);
    if (pipe2(pipes, O_CLOEXEC) || pipe2(pipes + 2, O_CLOEXEC) || (r->pid = fork()) < 0) {
        snprintf(out->why, sizeof out->why, "%s", strerror(errno));
        for (int i = 0; i < 4; i++)
            if (pipes[i] >= 0)
                close(pipes[i]);
        return -1;
    }
    if (r->pid == 0)
        child(w, pipes[1], pipes[3]);
    close(pipes[1]);
    close(pipes[3]);
    ssize_t got = read(pipes[2], &code, sizeof code); // ends at exec
    close(pipes[2]);
    r->out_fd = pipes[0];
    r->pidfd = (int)syscall(SYS_pidfd_open, r->pid, 0);
    if (got != sizeof code)
        return 0;
    snprintf(out->why, sizeof out->why, "%.100s: %s", w->argv[0], strerror(code));
    waitpid(r->pid, NULL, 0);
    close(r->out_fd);
    if (r->pidfd >= 0)
        close(r->pidfd);
    return -1;
}

// Takes what is there. False at the end of the output.
static bool take(const struct proof_exec *w, struct running *r, struct proof_exec_result *out)
{
    char chunk[16384];
    ssize_t got = read(r->out_fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    if (got <= 0)
        return false;
    out->written += (uint64_t)got;
    size_t room = w->keep_bytes > out->out.len ? w->keep_bytes - out->out.len : 0;
    buf_add(&out->out, chunk, (size_t)got < room ? (size_t)got : room);
    return true;
}

static void note_end(struct running *r)
{
    if (!r->ended && waitpid(r->pid, &r->status, WNOHANG) == r->pid)
        r->ended = true;
}

static volatile sig_atomic_t interrupted;

void proof_interrupt(void)
{
    interrupted = 1;
}

bool proof_interrupted(void)
{
    return interrupted;
}

// Until it has ended and its output is read, or a limit is passed. Returns which limit, or PROOF_EXITED.
static enum proof_exec_how follow(const struct proof_exec *w, struct running *r, struct proof_exec_result *out)
{
    int64_t end = clock_mono_ns() + (int64_t)(w->within_s * 1e9), linger = INT64_MAX;
    bool open = true;
    while (open || !r->ended) {
        int64_t now = clock_mono_ns(), until = end < linger ? end : linger;
        if (now >= linger)
            return PROOF_EXITED;
        if (now >= end || interrupted)
            return PROOF_TOO_LONG;
        struct pollfd p[2] = {{.fd = open ? r->out_fd : -1, .events = POLLIN},
                              {.fd = r->ended ? -1 : r->pidfd, .events = POLLIN}};
        int64_t ms = (until - now) / 1000000 + 1;
        poll(p, 2, r->pidfd < 0 && ms > 20 ? 20 : (int)(ms > LOOK_MS ? LOOK_MS : ms));
        if (p[0].revents)
            open = take(w, r, out);
        if (out->written > w->flood_bytes)
            return PROOF_FLOOD;
        note_end(r);
        if (r->ended && linger == INT64_MAX)
            linger = clock_mono_ns() + LINGER_MS * 1000000ll;
    }
    return PROOF_EXITED;
}

void proof_end_descendants(void)
{
    static struct linux_tree tree; // large
    int proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t end = clock_mono_ns() + KILL_MS * 1000000ll;
    while (proc_fd >= 0 && linux_tree_walk(proc_fd, getpid(), &tree, NULL) == 0 && tree.count > 0 &&
           clock_mono_ns() < end) {
        for (size_t i = 0; i < tree.count; i++)
            kill(tree.nodes[i].pid, SIGKILL);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        poll(NULL, 0, 2);
    }
    if (proc_fd >= 0)
        close(proc_fd);
}

// Its own end first, so that its status is ours to read.
static void end_all(struct running *r)
{
    if (!r->ended) {
        kill(-r->pid, SIGKILL);
        r->ended = waitpid(r->pid, &r->status, 0) == r->pid;
    }
    proof_end_descendants();
}

void proof_exec(const struct proof_exec *what, struct proof_exec_result *out)
{
    struct running r = {.pidfd = -1, .out_fd = -1};
    int64_t began = clock_mono_ns();
    *out = (struct proof_exec_result){.how = PROOF_NOT_STARTED};
    buf_init(&out->out, what->keep_bytes + 1);
    if (interrupted || begin(what, &r, out))
        return;
    fcntl(r.out_fd, F_SETFL, O_NONBLOCK);
    out->how = follow(what, &r, out);
    out->took_s = (double)(clock_mono_ns() - began) / 1e9;
    end_all(&r);
    close(r.out_fd);
    if (r.pidfd >= 0)
        close(r.pidfd);
    if (out->how != PROOF_EXITED)
        return;
    out->how = WIFEXITED(r.status) ? PROOF_EXITED : PROOF_SIGNALLED;
    out->status = WIFEXITED(r.status) ? WEXITSTATUS(r.status) : WTERMSIG(r.status);
}
