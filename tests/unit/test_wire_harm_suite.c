// Every target of the harm suite runs bare and under the probe: the same output, the same errors, the same end.
//
// Each row runs as often as SEEP_HARM_REPEATS says (default 2; tests/fault/harm runs them a thousand times), and
// SEEP_HARM_SCALE multiplies what the racy ones do in one run. SEEP_HARM_ONLY names one row. A run that differs, or
// that does not end within its limit, is a failure; all are counted and the first is shown.
#include "probe_rig.h"

#include <sys/resource.h>

#define ARGS_MAX 14

struct row {
    const char *name;
    const char *args[ARGS_MAX]; // a leading "@" stands for the directory of the targets, "#N" for N times the scale
    const char *preload;        // behind the probe
    unsigned limit_s;
    int no_region; // the probe rightly stays off
};
// In front of what is preloaded in any case: what goes with the probe.
#define BESIDE(name) ":" SEEP_BUILD_DIR "/lib/libseep-probe-" name ".so"
#define AND_ALWAYS   "|"

static const struct row rows[] = {
    {"edges", {"@probe_edges"}, NULL, 20, 0},
    {"edges_jemalloc", {"@probe_edges"}, "libjemalloc.so.2", 20, 0},
    {"edges_names", {"@probe_edges"}, BESIDE("jemalloc") BESIDE("tcmalloc") BESIDE("mimalloc") BESIDE("je"), 20, 0},
    {"names_tcmalloc", {"@harm_names", "#3"}, BESIDE("tcmalloc") AND_ALWAYS "libtcmalloc_minimal.so.4", 120, 0},
    {"names_mimalloc", {"@harm_names", "#3"}, BESIDE("mimalloc") AND_ALWAYS "libmimalloc.so.2", 120, 0},
    {"names_of_others",
     {"@harm_others"},
     BESIDE("tcmalloc") BESIDE("mimalloc") BESIDE("je") AND_ALWAYS TARGET("harm_others_own"),
     20,
     0},
    {"misuse_sizes", {"@harm_misuse", "sizes"}, NULL, 20, 0},
    {"misuse_double_free", {"@harm_misuse", "double_free"}, NULL, 20, 0},
    {"misuse_bad_free", {"@harm_misuse", "bad_free"}, NULL, 20, 0},
    {"misuse_realloc_freed", {"@harm_misuse", "realloc_freed"}, NULL, 20, 0},
    {"misuse_overrun", {"@harm_misuse", "overrun"}, NULL, 20, 0},
    {"loader_lock_deadlock", {"@threads_churn", "#200"}, NULL, 120, 0},
    {"fork_storm", {"@fork_storm", "#100"}, NULL, 300, 0},
    {"spawns_fork", {"@harm_spawns", "fork", "#50"}, NULL, 300, 0},
    {"spawns_vfork", {"@harm_spawns", "vfork", "#20"}, NULL, 300, 0},
    {"spawns_posix_spawn", {"@harm_spawns", "spawn", "#20"}, NULL, 300, 0},
    {"spawns_raw_clone", {"@harm_spawns", "clone", "#50"}, NULL, 300, 0},
    {"spawns_clone_vm", {"@harm_spawns", "clone_vm", "#50"}, NULL, 300, 0},
    {"spawns_system", {"@harm_spawns", "system", "#10"}, NULL, 300, 0},
    {"spawns_popen", {"@harm_spawns", "popen", "#10"}, NULL, 300, 0},
    {"plugins_throw", {"@harm_throw", "@", "#5"}, NULL, 120, 0},
    {"signal_handlers", {"@harm_handlers", "#400"}, "@harm_arena", 120, 0},
    {"ends_return", {"@harm_ends", "return"}, NULL, 20, 0},
    {"ends_exit", {"@harm_ends", "exit"}, NULL, 20, 0},
    {"ends_underscore_exit", {"@harm_ends", "_exit"}, NULL, 20, 0},
    {"ends_quick_exit", {"@harm_ends", "quick_exit"}, NULL, 20, 0},
    {"ends_pthread_exit", {"@harm_ends", "pthread_exit"}, NULL, 20, 0},
    {"ends_thread_exit", {"@harm_ends", "thread_exit"}, NULL, 20, 0},
    {"ends_abort", {"@harm_ends", "abort"}, NULL, 20, 0},
    {"ends_constructor", {"@harm_ends", "constructor"}, NULL, 20, 0},
    {"ends_signal", {"@harm_ends", "raise", "10"}, NULL, 20, 0},
    {"ends_at_once", {"true"}, NULL, 20, 0},
    {"allocator_in_program", {"@harm_own_malloc"}, NULL, 20, 0},
    {"threads_10k", {"@harm_threads", "#1000"}, NULL, 300, 0},
    {"stacks_of_all_kinds", {"@harm_stacks", "#500"}, NULL, 60, 0},
    {"seccomp_strict", {"@probe_strict"}, NULL, 20, 0},
    {"seccomp_filter_by_itself", {"@harm_sandbox", "run"}, NULL, 60, 0},
    {"seccomp_kill_before_exec",
     {"@harm_sandbox", "kill", "socket", "connect", "sendto", "recvmsg", "--", "@fork_storm", "5"},
     NULL,
     60,
     0},
    {"seccomp_deny_before_exec",
     {"@harm_sandbox", "deny", "socket", "memfd_create", "madvise", "--", "@fork_storm", "5"},
     NULL,
     60,
     0},
    {"limit_as_200M", {"prlimit", "--as=200000000", "@probe_edges"}, NULL, 20, 0},
    {"limit_as_30M", {"prlimit", "--as=30000000", "@harm_misuse", "sizes"}, NULL, 20, 0},
    {"limit_data", {"prlimit", "--data=20000000", "@harm_misuse", "sizes"}, NULL, 20, 0},
    {"limit_nofile", {"prlimit", "--nofile=4", "@harm_ends", "exit"}, NULL, 20, 0},
    {"mlockall", {"@harm_mlock"}, NULL, 20, 0},
    {"mlockall_limited", {"@harm_mlock", "limited"}, NULL, 20, 0},
    {"identity", {"@harm_identity", "dumpable", "nnp", "landlock", "nobody"}, NULL, 20, 0},
    {"empty_environment", {"env", "-i", "@harm_misuse", "sizes"}, NULL, 20, 0},
    {"namespaces", {"@harm_namespaces", "@", "#300"}, NULL, 60, 0},
    {"descriptors", {"@list_fds"}, NULL, 20, 0},
    {"descriptors_all_closed_and_reopened",
     {"sh", "-c", "d=$(mktemp -d); \"$0\" \"$d\"; r=$?; cat \"$d\"/* | cksum; rm -r \"$d\"; exit $r",
      "@closeall_reopen"},
     NULL,
     60,
     0},
    {"chroot", {"@harm_identity", "chroot", "/usr", "nobody"}, NULL, 20, 0},
    {"plugins_reloaded", {"@probe_reload", "@", "#20"}, NULL, 60, 0},
};

static unsigned scale = 1, repeats = 2;

static unsigned from_environment(const char *name, unsigned otherwise)
{
    const char *v = getenv(name);
    return v && atoi(v) > 0 ? (unsigned)atoi(v) : otherwise;
}

static const char *expand(const char *word, char *room, size_t bytes)
{
    if (word[0] == '@')
        snprintf(room, bytes, "%s", TARGET(""));
    if (word[0] == '#')
        snprintf(room, bytes, "%lu", strtoul(word + 1, NULL, 10) * scale);
    if (word[0] == '@')
        snprintf(room + strlen(room), bytes - strlen(room), "%s", word + 1);
    return word[0] == '@' || word[0] == '#' ? room : word;
}

// Runs a row once; both streams are one, standard input is empty. s: NULL for bare.
static int run_row(const struct row *row, struct region_server *s, char *output, size_t bytes)
{
    static char room[ARGS_MAX][256], preload[2048];
    static char shell[] = "exec \"$@\" </dev/null 2>&1";
    char *argv[ARGS_MAX + 5] = {"sh", "-c", shell, "sh"}, behind[256] = "", *env[] = {preload, NULL};
    for (int i = 0; i < ARGS_MAX && row->args[i]; i++)
        argv[4 + i] = (char *)expand(row->args[i], room[i], sizeof room[i]);
    const char *more = row->preload ? expand(row->preload, behind, sizeof behind) : "";
    size_t beside = more[0] == ':' ? strcspn(more, AND_ALWAYS) : 0;
    const char *always = more + beside + (more[beside] == AND_ALWAYS[0]);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s%.*s%s%s", s ? SEEP_BUILD_DIR "/lib/libseep-probe.so" : "",
             s ? (int)beside : 0, more, s && *always ? ":" : "", always);
    return region_run(s, argv, env, output, bytes, row->limit_s);
}

static void show(const struct row *row, unsigned run, int status, int want, const char *got, const char *bare)
{
    fprintf(stderr, "%s, run %u: wait status %#x, bare %#x\n--- bare\n%s--- probed\n%s---\n", row->name, run, status,
            want, bare, got);
}

// Rows whose program is meant to be killed.
static int dies(const struct row *row)
{
    static const char *const prefix[] = {"ends_", "misuse_", "seccomp_"};
    for (size_t i = 0; i < sizeof prefix / sizeof *prefix; i++)
        if (!strncmp(row->name, prefix[i], strlen(prefix[i])))
            return 1;
    return 0;
}

static void test_row(void **state)
{
    const struct row *row = *state;
    static char bare[1 << 16], probed[1 << 16];
    unsigned failures = 0, attached = 0;
    int want = run_row(row, NULL, bare, sizeof bare);
    if (WIFEXITED(want) && WEXITSTATUS(want) == 77)
        skip();
    if (WIFSIGNALED(want) && !dies(row))
        fail_msg("%s dies by itself, of signal %d: it shows nothing\n%s", row->name, WTERMSIG(want), bare);
    for (unsigned i = 0; i < repeats; i++) {
        struct region_server s = {0};
        region_server_start(&s, 0);
        int got = run_row(row, &s, probed, sizeof probed);
        attached += region_server_count(&s) > 0;
        region_server_stop(&s);
        if (got == want && !strcmp(bare, probed))
            continue;
        if (!failures++)
            show(row, i, got, want, probed, bare);
    }
    printf("harm %-28s %5u runs, %u attached, %u failures\n", row->name, repeats, attached, failures);
    fflush(stdout);
    assert_int_equal(attached, row->no_region ? 0 : repeats);
    assert_int_equal(failures, 0);
}

int main(void)
{
    enum { N = sizeof rows / sizeof *rows };
    static struct CMUnitTest tests[N];
    const char *only = getenv("SEEP_HARM_ONLY");
    size_t n = 0;
    scale = from_environment("SEEP_HARM_SCALE", 1);
    repeats = from_environment("SEEP_HARM_REPEATS", 2);
    for (size_t i = 0; i < N; i++)
        if (!only || !strcmp(only, rows[i].name))
            tests[n++] =
                (struct CMUnitTest){.name = rows[i].name, .test_func = test_row, .initial_state = (void *)&rows[i]};
    return n ? _cmocka_run_group_tests("harm", tests, n, NULL, NULL) : 2;
}
