// Facts for the store (report/names.h): what is known of the machine, of the plan, and of the target once it runs.
#include "base/jsonw.h"
#include "linux/exe.h"
#include "linux/host.h"
#include "run/state.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

void run_meta(struct run *r, const char *key, const char *value)
{
    if (r->writer.store)
        writer_meta(&r->writer, key, value);
}

void run_meta_f(struct run *r, const char *key, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    run_meta(r, key, text);
}

void run_host_facts(struct run *r)
{
    struct linux_host host;
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    linux_host_read(root, &host);
    close(root);
    run_meta(r, M_HOST_NAME, host.hostname);
    run_meta_f(r, M_HOST_KERNEL, "%s %s", host.kernel, host.machine);
    run_meta(r, M_HOST_OS, host.distro);
    run_meta(r, M_HOST_LIBC, host.libc);
    run_meta_f(r, M_HOST_CPUS, "%u", host.cpus);
    run_meta_f(r, M_HOST_MEMORY, "%llu", (unsigned long long)host.memory_bytes);
    run_meta(r, "host.boot_id", host.boot_id);
}

static void exe_facts(struct run *r, const char *path, const struct linux_exe *exe)
{
    char hex[2 * 64 + 1];
    run_meta(r, M_TARGET_EXE, path);
    if (exe->have_sha256) {
        linux_hex(exe->sha256, sizeof exe->sha256, hex);
        run_meta(r, M_TARGET_SHA256, hex);
    }
    linux_hex(exe->build_id, exe->build_id_len, hex);
    run_meta(r, M_TARGET_BUILD_ID, exe->build_id_len ? hex : NULL);
}

void run_exe_facts(struct run *r, const struct linux_exe *exe)
{
    exe_facts(r, r->exec_path, exe);
}

static void argv_fact(struct run *r)
{
    struct seep_buf out;
    struct jsonw w;
    buf_init(&out, 1u << 20);
    jsonw_init(&w, &out, false);
    jsonw_array(&w, NULL);
    const char *before = NULL;
    for (int i = 0; i < r->profile->target.argc; i++) {
        const char *word = r->profile->target.argv[i];
        char *shown = profile_redact_word(before, word);
        jsonw_string(&w, NULL, shown ? shown : "[redacted]");
        if (!shown || strcmp(shown, word))
            run_meta(r, M_REDACTED, "Words of the command line that look like secrets were not stored.");
        free(shown);
        before = word;
    }
    jsonw_end_array(&w);
    if (!out.failed)
        run_meta(r, M_ARGV, out.data);
    buf_free(&out);
}

void run_plan_facts(struct run *r)
{
    argv_fact(r);
    char *dump = profile_dump(r->profile, true);
    if (dump)
        run_meta(r, M_PROFILE, dump);
    free(dump);
    if (r->baseline)
        run_meta(r, M_BASELINE_VALUES, r->baseline);
    run_meta(r, M_RUN, r->id);
    run_meta(r, M_VERSION, SEEP_VERSION);
    run_meta_f(r, M_INTERVAL, "%.17g", r->interval_s);
    run_meta_f(r, M_DURATION, "%.17g", r->duration_s);
}

// Which program really runs: after exec chains and wrappers it is another than the command named.
void run_program_facts(struct run *r)
{
    char name[16] = "", path[LINUX_EXE_PATH_MAX] = "";
    struct seep_err err;
    if (r->identity.json.data)
        run_meta(r, M_TARGET_IDENTITY, r->identity.json.data);
    if (r->identity.known)
        exe_facts(r, r->identity.path, &r->identity.exe);
    if (linux_allocator_of(r->sampler.proc_fd, r->target_pid, name, path, &err) == 0)
        run_meta_f(r, M_TARGET_ALLOCATOR, "%s%s%s", name, path[0] ? " " : "", path);
}

// A replay under valgrind has to begin with it: there no process can set another hard limit than it has.
void run_limit_facts(struct run *r)
{
    struct rlimit files;
    if (r->target_pid > 0 && prlimit(r->target_pid, RLIMIT_NOFILE, NULL, &files) == 0)
        run_meta_f(r, M_TARGET_FILES, "%llu", (unsigned long long)files.rlim_cur);
}

void run_target_facts(struct run *r)
{
    static const char *const kinds[] = {"", "http", "tcp", "log", "command"};
    enum profile_ready_kind kind = r->profile->target.ready.kind;
    if (kind != READY_NONE && !r->adopting) {
        run_meta_f(r, M_READY_S, "%.6f", r->ready.after_s);
        run_meta_f(r, M_READY_HOW, "%s %s", kinds[kind],
                   r->profile->target.ready.what ? r->profile->target.ready.what : "");
    }
    run_limit_facts(r);
    run_program_facts(r);
}
