// The machine: see host.h.
#include "linux/host.h"

#include <fcntl.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "linux/text.h"

// PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
static void read_distro(int root_fd, char *out, size_t size)
{
    char text[4096];
    if (text_read(root_fd, "etc/os-release", text, sizeof text) <= 0)
        return;
    char *at = strncmp(text, "PRETTY_NAME=", 12) ? strstr(text, "\nPRETTY_NAME=") : text - 1;
    if (!at)
        return;
    at += 13;
    char quote = *at == '"' || *at == '\'' ? *at++ : '\n';
    at[strcspn(at, (char[]){quote, '\n', '\0'})] = '\0';
    snprintf(out, size, "%s", at);
}

static void read_cpu_model(int root_fd, char *out, size_t size)
{
    char text[4096];
    if (text_read(root_fd, "proc/cpuinfo", text, sizeof text) <= 0)
        return;
    char *at = strstr(text, "model name");
    at = at ? strchr(at, ':') : NULL;
    if (at)
        text_line(out, size, at + 1 + (at[1] == ' '));
}

// "always [madvise] never"
static void read_thp(int root_fd, char *out, size_t size)
{
    char text[128];
    if (text_read(root_fd, "sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text) <= 0)
        return;
    char *open = strchr(text, '['), *close = open ? strchr(open, ']') : NULL;
    if (close)
        snprintf(out, size, "%.*s", (int)(close - open - 1), open + 1);
}

// May be negative (perf_event_paranoid), hence not text_number().
static int small_number(int root_fd, const char *path)
{
    char text[32];
    int n;
    return text_read(root_fd, path, text, sizeof text) > 0 && sscanf(text, "%d", &n) == 1 ? n : -1;
}

static int memory_numbers(int dir_fd, const char *path, struct linux_meminfo *out)
{
    char text[8192];
    *out = (struct linux_meminfo){SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN, SEEP_UNKNOWN};
    if (text_read(dir_fd, path, text, sizeof text) <= 0)
        return -1;
    const struct text_want wants[] = {{"MemTotal:", &out->total_bytes, 1024},
                                      {"MemAvailable:", &out->available_bytes, 1024},
                                      {"MemFree:", &out->free_bytes, 1024},
                                      {"SwapTotal:", &out->swap_total_bytes, 1024},
                                      {"SwapFree:", &out->swap_free_bytes, 1024}};
    text_fields(text, wants, sizeof wants / sizeof *wants);
    return 0;
}

int linux_meminfo_read(int proc_fd, struct linux_meminfo *out, struct seep_err *err)
{
    if (memory_numbers(proc_fd, "meminfo", out) < 0)
        return seep_fail(err, SEEP_E_UNSUPPORTED, "/proc/meminfo cannot be read");
    return 0;
}

void linux_host_read(int root_fd, struct linux_host *out)
{
    struct utsname u;
    struct linux_meminfo mem;
    char text[64];
    cpu_set_t set;
    *out = (struct linux_host){0};
    if (uname(&u) == 0) {
        snprintf(out->hostname, sizeof out->hostname, "%s", u.nodename);
        snprintf(out->kernel, sizeof out->kernel, "%s", u.release);
        snprintf(out->machine, sizeof out->machine, "%s", u.machine);
    }
    read_distro(root_fd, out->distro, sizeof out->distro);
    read_cpu_model(root_fd, out->cpu_model, sizeof out->cpu_model);
    read_thp(root_fd, out->thp, sizeof out->thp);
    if (text_read(root_fd, "proc/sys/kernel/random/boot_id", text, sizeof text) > 0)
        text_line(out->boot_id, sizeof out->boot_id, text);
    out->cpus = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set)
                                                            : (uint32_t)sysconf(_SC_NPROCESSORS_ONLN);
    memory_numbers(root_fd, "proc/meminfo", &mem);
    out->memory_bytes = mem.total_bytes;
    out->swap_bytes = mem.swap_total_bytes;
    out->ptrace_scope = small_number(root_fd, "proc/sys/kernel/yama/ptrace_scope");
    out->perf_paranoid = small_number(root_fd, "proc/sys/kernel/perf_event_paranoid");
    out->overcommit = small_number(root_fd, "proc/sys/vm/overcommit_memory");
    out->pid_max = text_number_of(root_fd, "proc/sys/kernel/pid_max");
    snprintf(out->libc, sizeof out->libc, "glibc %s", gnu_get_libc_version());
}
