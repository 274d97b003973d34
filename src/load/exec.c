// Another program as the driver: see exec.h. It dies with this worker (PR_SET_PDEATHSIG), its group when it ends.
#include "load/exec.h"
#include "load/extract.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 16 * 1024, DOCUMENT_MAX_BYTES = 1024 * 1024, READS = 16, EXEC_FAILED = 127 };

struct number {
    struct profile_extract what; // for extract_open()
    struct extract *extract;
    int row;              // of the tally; -1: no room there
    double last, counted; // as said, and as taken into the tally; NaN: not yet
    bool fresh;           // said since the last sample
};

struct exec {
    const struct profile_exec *profile;
    const char *name; // of the load
    struct load_tally *tally;
    struct exec_hooks hooks;
    uv_loop_t *loop;
    uv_poll_t output, end;
    int output_fd, pidfd;
    pid_t pid;              // 0: none
    int handles;            // on the loop
    bool closing, asked;    // asked: told to end
    uint32_t ended, failed; // runs
    struct number *number;  // profile->n_counters
    struct seep_buf line, scratch;
    struct seep_buf document; // the lines from the last one that begins with '{' or '[' on: JSON over several lines
    char last_line[160];
    char **argv, **envp;
};

static void note(struct exec *x, const char *what, const char *more)
{
    char text[480];
    snprintf(text, sizeof text, "load %s: %s %s%s%s", x->name, x->profile->argv[0], what, *more ? ": " : "", more);
    x->hooks.on_note(x->hooks.ctx, text);
}

// ---- opening and closing --------------------------------------------------------------------------------------------

static int open_numbers(struct exec *x, int load, struct seep_err *err)
{
    int n = x->profile->n_counters;
    x->number = calloc((size_t)n + 1, sizeof *x->number);
    if (!x->number)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the counters of the load %s.", x->name);
    for (int i = 0; i < n; i++) {
        const struct profile_exec_counter *c = &x->profile->counters[i];
        struct number *out = &x->number[i];
        *out = (struct number){.what = {.where = c->where, .name = c->name, .json = c->json, .regex = c->regex},
                               .row = load_metric_of(x->tally->metrics, load, LOAD_METRIC_EXEC + i),
                               .last = NAN,
                               .counted = NAN};
        if (extract_open(&out->what, &out->extract, err) < 0)
            return -1;
    }
    return 0;
}

static int open_words(struct exec *x, struct seep_err *err)
{
    x->argv = calloc((size_t)x->profile->argc + 1, sizeof *x->argv);
    for (int i = 0; x->argv && i < x->profile->argc; i++) {
        x->argv[i] = profile_expand_env(x->profile->argv[i], err);
        if (!x->argv[i])
            return -1;
    }
    return x->argv ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the program of the load %s.", x->name);
}

static bool is_set_by(const struct profile_exec *p, const char *entry)
{
    for (int i = 0; i < p->n_env; i++) {
        size_t len = strlen(p->env[i].key);
        if (strncmp(entry, p->env[i].key, len) == 0 && entry[len] == '=')
            return true;
    }
    return false;
}

static char *entry_of(const struct profile_pair *pair, struct seep_err *err)
{
    char *value = profile_expand_env(pair->value, err);
    size_t size = value ? strlen(pair->key) + strlen(value) + 2 : 0;
    char *entry = value ? malloc(size) : NULL;
    if (entry)
        snprintf(entry, size, "%s=%s", pair->key, value);
    free(value);
    return entry;
}

static int open_environment(struct exec *x, struct seep_err *err)
{
    int n = 0, at = 0;
    while (environ[n])
        n++;
    x->envp = calloc((size_t)(n + x->profile->n_env) + 1, sizeof *x->envp);
    for (int i = 0; x->envp && i < n; i++) {
        if (!is_set_by(x->profile, environ[i]) && !(x->envp[at++] = strdup(environ[i])))
            return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for an environment.");
    }
    for (int i = 0; x->envp && i < x->profile->n_env; i++) {
        if (x->profile->env[i].value && !(x->envp[at++] = entry_of(&x->profile->env[i], err)))
            return -1;
    }
    return x->envp ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for an environment.");
}

static void strings_free(char **list)
{
    for (char **p = list; p && *p; p++)
        free(*p);
    free(list);
}

static void exec_free(struct exec *x)
{
    for (int i = 0; x->number && i < x->profile->n_counters; i++)
        extract_close(x->number[i].extract);
    free(x->number);
    strings_free(x->argv);
    strings_free(x->envp);
    buf_free(&x->line);
    buf_free(&x->scratch);
    buf_free(&x->document);
    free(x);
}

int exec_open(uv_loop_t *loop, const struct profile_load *l, int load, struct load_tally *tally,
              struct exec_hooks hooks, struct exec **out, struct seep_err *err)
{
    struct exec *x = calloc(1, sizeof *x);
    if (!x)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load %s.", l->name);
    *x = (struct exec){.profile = &l->exec,
                       .name = l->name,
                       .tally = tally,
                       .hooks = hooks,
                       .loop = loop,
                       .output_fd = -1,
                       .pidfd = -1};
    buf_init(&x->line, LINE_MAX_BYTES);
    buf_init(&x->scratch, LINE_MAX_BYTES);
    buf_init(&x->document, DOCUMENT_MAX_BYTES);
    if (open_numbers(x, load, err) < 0 || open_words(x, err) < 0 || open_environment(x, err) < 0) {
        exec_free(x);
        return -1;
    }
    *out = x;
    return 0;
}

// ---- its output -----------------------------------------------------------------------------------------------------

// only_json: what regular expressions look for is on lines.
static void take_numbers(struct exec *x, const struct exchange_reply *text, bool only_json)
{
    for (int i = 0; i < x->profile->n_counters; i++) {
        struct number *n = &x->number[i];
        double value;
        if ((!only_json || n->what.json) && extract_number(n->extract, text, &x->scratch, &value)) {
            n->last = value;
            n->fresh = true;
        }
    }
}

// JSON that was printed for people, over several lines, is whole when a line brings what closes it.
static void take_document(struct exec *x, const struct exchange_reply *line)
{
    if (line->body_len && strchr("{[", line->body[0])) {
        buf_clear(&x->document);
        if (line->body_len > 1 && strchr("}]", line->body[line->body_len - 1]))
            return; // it stands on one line
    } else if (!x->document.len) {
        return;
    }
    buf_add(&x->document, line->body, line->body_len);
    buf_char(&x->document, '\n');
    if (x->document.failed || !line->body_len || !strchr("}]", line->body[0]))
        return;
    const struct exchange_reply whole = {.body = x->document.data, .body_len = x->document.len};
    take_numbers(x, &whole, true);
    buf_clear(&x->document);
}

static void take_line(struct exec *x)
{
    struct exchange_reply line = {.body = x->line.data ? x->line.data : "", .body_len = x->line.len};
    take_numbers(x, &line, false);
    take_document(x, &line);
    if (line.body_len)
        snprintf(x->last_line, sizeof x->last_line, "%s", line.body);
    buf_clear(&x->line);
}

// What a line has beyond the bound is left out.
static void take_bytes(struct exec *x, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] == '\n' || data[i] == '\r')
            take_line(x);
        else if (x->line.len < LINE_MAX_BYTES - 1)
            buf_char(&x->line, data[i]);
    }
}

static void read_output(struct exec *x)
{
    char chunk[16384];
    ssize_t n = 0;
    for (int i = 0; i < READS && (n = read(x->output_fd, chunk, sizeof chunk)) > 0; i++)
        take_bytes(x, chunk, (size_t)n);
    if (n == 0)
        uv_poll_stop(&x->output);
}

static void on_output(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    read_output(poll->data);
}

void exec_sample(struct exec *x)
{
    for (int i = 0; i < x->profile->n_counters; i++) {
        struct number *n = &x->number[i];
        if (!n->fresh || n->row < 0)
            continue;
        n->fresh = false;
        if (!x->profile->counters[i].total)
            tally_value(x->tally, n->row, n->last);
        else if (isnan(n->counted) || n->last < n->counted) // the program, or another run of it, began anew
            tally_value(x->tally, n->row, n->last);
        else
            tally_value(x->tally, n->row, n->last - n->counted);
        n->counted = n->last;
    }
}

// ---- its end --------------------------------------------------------------------------------------------------------

static void on_closed(uv_handle_t *handle)
{
    struct exec *x = handle->data;
    if (--x->handles == 0 && x->closing)
        exec_free(x);
}

static void let_go(struct exec *x)
{
    uv_close((uv_handle_t *)&x->output, on_closed);
    uv_close((uv_handle_t *)&x->end, on_closed);
    close(x->output_fd);
    close(x->pidfd);
    x->output_fd = x->pidfd = -1;
    x->pid = 0;
}

static bool accepted(const struct exec *x, int status)
{
    for (int i = 0; i < x->profile->n_exit_codes; i++) {
        if (x->profile->exit_codes[i] == status)
            return true;
    }
    return false;
}

static bool told_a_number(const struct exec *x)
{
    for (int i = 0; i < x->profile->n_counters; i++) {
        if (!isnan(x->number[i].last))
            return true;
    }
    return x->profile->n_counters == 0;
}

static void tell_end(struct exec *x, const siginfo_t *info, bool asked)
{
    if (!told_a_number(x))
        note(x, "printed none of the numbers that the profile looks for; its last line", x->last_line);
    char how[96];
    bool well = info->si_code == CLD_EXITED && accepted(x, info->si_status);
    x->ended++;
    x->failed += !well && !asked;
    if (well) {
        note(x, "has ended well", "");
        return;
    }
    if (asked && info->si_code != CLD_EXITED)
        return; // by our own signal
    if (info->si_code == CLD_EXITED)
        snprintf(how, sizeof how, "ended with exit status %d", info->si_status);
    else
        snprintf(how, sizeof how, "was ended by signal %d (%s)", info->si_status, strsignal(info->si_status));
    note(x, how, x->last_line);
}

static void on_end(uv_poll_t *poll, int status, int events)
{
    struct exec *x = poll->data;
    siginfo_t info = {0};
    (void)status;
    (void)events;
    if (waitid(P_PIDFD, (id_t)x->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return;
    kill(-x->pid, SIGKILL); // what it may have left behind
    read_output(x);
    take_line(x);
    exec_sample(x);
    tell_end(x, &info, x->asked);
    let_go(x);
}

void exec_counts(const struct exec *x, uint32_t *ended, uint32_t *failed)
{
    *ended = x->ended;
    *failed = x->failed;
}

bool exec_running(const struct exec *x)
{
    return x->pid > 0;
}

void exec_terminate(struct exec *x)
{
    x->asked = true;
    if (x->pid > 0)
        kill(-x->pid, SIGTERM);
}

void exec_kill(struct exec *x)
{
    x->asked = true;
    if (x->pid > 0)
        kill(-x->pid, SIGKILL);
}

void exec_close(struct exec *x)
{
    if (!x)
        return;
    x->closing = true;
    if (x->pid > 0) {
        kill(-x->pid, SIGKILL);
        waitpid(x->pid, NULL, 0);
        let_go(x);
    }
    if (x->handles == 0)
        exec_free(x);
}

// ---- its beginning --------------------------------------------------------------------------------------------------

// In the child: nothing but system calls. Tells errno through `failed` when the program does not start.
static void become(const struct exec *x, int output, int failed)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(output, 1);
    dup2(output, 2);
    if (failed != 3)
        dup3(failed, 3, O_CLOEXEC);
    closefrom(4);
    if (!x->profile->cwd || chdir(x->profile->cwd) == 0)
        execvpe(x->argv[0], x->argv, x->envp);
    int why = errno;
    ssize_t told = write(3, &why, sizeof why);
    _exit(told > 0 ? EXEC_FAILED : EXEC_FAILED + 1);
}

static pid_t spawn(struct exec *x, int *output)
{
    int out[2], failed[2], why = 0;
    if (pipe2(out, O_CLOEXEC) < 0)
        return -1;
    if (pipe2(failed, O_CLOEXEC) < 0) {
        close(out[0]);
        close(out[1]);
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0)
        become(x, out[1], failed[1]);
    close(out[1]);
    close(failed[1]);
    bool started = pid > 0 && read(failed[0], &why, sizeof why) == 0; // closed by exec
    close(failed[0]);
    if (started) {
        *output = out[0];
        return pid;
    }
    close(out[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    errno = why ? why : errno;
    return -1;
}

static void unstarted(struct exec *x, const char *what, int error)
{
    x->ended++;
    x->failed++;
    note(x, what, strerror(error));
}

void exec_start(struct exec *x)
{
    if (x->pid > 0 || x->handles > 0)
        return;
    x->asked = false;
    x->last_line[0] = 0;
    buf_clear(&x->line);
    pid_t pid = spawn(x, &x->output_fd);
    if (pid < 0) {
        unstarted(x, "could not be started", errno);
        return;
    }
    fcntl(x->output_fd, F_SETFL, O_NONBLOCK);
    x->pidfd = pidfd_open(pid, 0);
    x->pid = pid;
    if (x->pidfd < 0 || uv_poll_init(x->loop, &x->output, x->output_fd) != 0) {
        int error = errno;
        exec_kill(x);
        waitpid(pid, NULL, 0);
        close(x->output_fd);
        x->pid = 0;
        unstarted(x, "could not be watched", error);
        return;
    }
    uv_poll_init(x->loop, &x->end, x->pidfd);
    x->output.data = x->end.data = x;
    x->handles = 2;
    uv_poll_start(&x->output, UV_READABLE, on_output);
    uv_poll_start(&x->end, UV_READABLE, on_end);
}
