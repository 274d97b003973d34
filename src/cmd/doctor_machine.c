// What the machine is: kernel, processors, memory, clock, huge pages. Everything is read by linux/.
#include "base/clock.h"
#include "base/units.h"
#include "cmd/doctor.h"
#include "linux/host.h"
#include "linux/proc.h"
#include "linux/text.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

static const double little_memory_bytes = 256e6;
static const double slow_clock_ns = 300;

static void kernel(struct doctor *d, const struct linux_host *h)
{
    int major = 0, minor = 0;
    bool old = sscanf(h->kernel, "%d.%d", &major, &minor) == 2 && (major < 5 || (major == 5 && minor < 4));
    doctor_add(d, "kernel", old ? DOCTOR_MISSING : DOCTOR_OK, true,
               "Processes cannot be held safely before Linux 5.4; use a newer kernel.", "Linux %s, %s, %s%s%s",
               h->kernel, h->machine, h->libc[0] ? h->libc : "unknown C library", h->distro[0] ? ", " : "", h->distro);
}

static void processors(struct doctor *d, const struct linux_host *h)
{
    doctor_add(d, "processors", h->cpus > 1 ? DOCTOR_OK : DOCTOR_LIMITED, false,
               "With one processor the target, its load and seep take turns: samples come late and latencies count "
               "seep's own work; give it a second one.",
               "%u, %s", h->cpus, h->cpu_model[0] ? h->cpu_model : "unknown model");
}

static void memory(struct doctor *d, int proc_fd)
{
    struct linux_meminfo m;
    struct seep_err err;
    char total[32], free_now[32];
    if (linux_meminfo_read(proc_fd, &m, &err)) {
        doctor_add(d, "memory", DOCTOR_LIMITED, false, "Mount /proc where seep runs.", "%s", err.text);
        return;
    }
    bool little = m.available_bytes != SEEP_UNKNOWN && (double)m.available_bytes < little_memory_bytes;
    units_bytes(total, sizeof total, (double)m.total_bytes);
    units_bytes(free_now, sizeof free_now, (double)m.available_bytes);
    doctor_add(d, "memory", little ? DOCTOR_LIMITED : DOCTOR_OK, false,
               "Attribution sets at least 64 MiB aside; free some memory, or set attribution.memory lower.",
               "%s, %s available", total, free_now);
}

// The readings' own cost tells more than the source's name: the probe and the load driver read it for each event.
static void clock_source(struct doctor *d, int root_fd)
{
    enum { READINGS = 2000 };
    char text[64], name[64] = "unknown source";
    const char *path = "sys/devices/system/clocksource/clocksource0/current_clocksource";
    if (text_read(root_fd, path, text, sizeof text) > 0)
        text_line(name, sizeof name, text);
    int64_t best_ns = INT64_MAX;
    for (int round = 0; round < 3; round++) {
        int64_t begin_ns = clock_mono_ns();
        for (int i = 0; i < READINGS; i++)
            clock_mono_ns();
        int64_t took_ns = (clock_mono_ns() - begin_ns) / READINGS;
        best_ns = took_ns < best_ns ? took_ns : best_ns;
    }
    doctor_add(d, "clock", (double)best_ns > slow_clock_ns ? DOCTOR_LIMITED : DOCTOR_OK, false,
               "Reading the time is slow, which makes load and attribution dearer; boot with a faster clock source "
               "(tsc, kvm-clock) where the machine has one.",
               "%s, %lld ns a reading", name, (long long)best_ns);
}

static void huge_pages(struct doctor *d, const struct linux_host *h)
{
    bool always = !strcmp(h->thp, "always");
    doctor_add(d, "huge pages", always ? DOCTOR_LIMITED : DOCTOR_OK, false,
               "Resident memory grows in steps of 2 MiB; judge the heap rather than rss, or write madvise to "
               "/sys/kernel/mm/transparent_hugepage/enabled.",
               "transparent huge pages: %s", h->thp[0] ? h->thp : "none");
}

void doctor_machine(struct doctor *d)
{
    struct linux_host host;
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), proc = linux_proc_open(NULL);
    linux_host_read(root, &host);
    kernel(d, &host);
    processors(d, &host);
    memory(d, proc);
    clock_source(d, root);
    huge_pages(d, &host);
    if (root >= 0)
        close(root);
    if (proc >= 0)
        close(proc);
}
