// What is installed: seep's own parts, allocator and helpers; and the place where results go.
#include "base/fs.h"
#include "base/units.h"
#include "cmd/doctor.h"
#include "linux/exe.h"
#include "linux/proc.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const double enough_disk_bytes = 256e6, least_disk_bytes = 32e6;
static const char parts_name[] = "parts of seep";

// One part of seep by its path below the prefix; false with a fact added when it cannot be used.
static bool part_usable(struct doctor *d, const char *part, int how)
{
    static const char install[] = "Install seep whole (cmake --install); its parts are found beside the program.";
    struct seep_err err;
    char *path = cmd_own_path(part, &err);
    bool usable = false;
    if (!path)
        doctor_add(d, parts_name, DOCTOR_MISSING, true, install, "%s", err.text);
    else if (access(path, how))
        doctor_add(d, parts_name, DOCTOR_MISSING, true, install, "'%.300s': %s", path, strerror(errno));
    else if (strstr(part, ".so") && strpbrk(path, " :\t\n"))
        doctor_add(d, parts_name, DOCTOR_MISSING, true, "Install seep below a path without blanks and colons.",
                   "'%.200s' cannot be preloaded: the loader takes no path with a blank or a colon", path);
    else
        usable = true;
    free(path);
    return usable;
}

static void own_parts(struct doctor *d)
{
    if (part_usable(d, "bin/seep-keeper", X_OK) && part_usable(d, "lib/libseep-probe.so", R_OK) &&
        part_usable(d, "share/seep/profiles", R_OK | X_OK))
        doctor_add(d, parts_name, DOCTOR_OK, true, NULL, "keeper, probe and profiles are there");
}

// Attribution is preloaded into targets like seep itself, so whatever allocator seep has is the one proved below.
static void allocator(struct doctor *d)
{
    char name[16], path[LINUX_EXE_PATH_MAX];
    struct seep_err err;
    int proc = linux_proc_open(&err);
    bool known = proc >= 0 && linux_allocator_of(proc, getpid(), name, path, &err) == 0;
    if (proc >= 0)
        close(proc);
    bool jemalloc = known && !strcmp(name, "jemalloc");
    doctor_add(d, "jemalloc", jemalloc ? DOCTOR_OK : DOCTOR_LIMITED, false,
               "This build of seep does not use jemalloc; install libjemalloc2 to soak targets under it.", "%.300s",
               jemalloc ? path
               : known  ? name
                        : err.text);
}

static void valgrind(struct doctor *d)
{
    char path[LINUX_EXE_PATH_MAX];
    bool there = linux_exe_find("valgrind", NULL, getenv("PATH"), path, NULL) == 0;
    doctor_add(d, "valgrind", there ? DOCTOR_OK : DOCTOR_LIMITED, false,
               "Leaks cannot be confirmed under valgrind; apt install valgrind.", "%.300s",
               there ? path : "not found in PATH");
}

static void debug_files(struct doctor *d)
{
    const char *urls = getenv("DEBUGINFOD_URLS");
    bool local = access("/usr/lib/debug/.build-id", R_OK | X_OK) == 0, remote = urls && *urls;
    doctor_add(d, "debug files", local || remote ? DOCTOR_OK : DOCTOR_LIMITED, false,
               "Frames in the system's libraries have names but no lines; install their -dbgsym or -dbg packages, or "
               "set DEBUGINFOD_URLS.",
               "%s%s", local ? "/usr/lib/debug" : "none under /usr/lib/debug",
               remote  ? ", and DEBUGINFOD_URLS (asked on request)"
               : local ? ""
                       : ", DEBUGINFOD_URLS not set");
}

static void perf_maps(struct doctor *d)
{
    bool usable = access("/tmp", R_OK | X_OK) == 0;
    doctor_add(d, "perf maps", usable ? DOCTOR_OK : DOCTOR_LIMITED, false,
               "Code made at run time (node, Java) has no names; make /tmp readable.", "%s",
               usable ? "/tmp/perf-PID.map is read when a target writes one" : "/tmp cannot be read");
}

void doctor_parts(struct doctor *d)
{
    own_parts(d);
    allocator(d);
    valgrind(d);
    debug_files(d);
    perf_maps(d);
}

// The directory itself, or the nearest one above it that is there: `seep run` makes the rest.
static int open_nearest(const char *path, char *found, size_t size)
{
    snprintf(found, size, "%s", path);
    for (;;) {
        int fd = open(found, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 || errno != ENOENT)
            return fd;
        if (!strcmp(found, ".") || !strcmp(found, "/"))
            return -1;
        char *slash = strrchr(found, '/');
        if (!slash)
            snprintf(found, size, ".");
        else
            slash[slash == found] = 0;
    }
}

static void results_disk(struct doctor *d, int fd)
{
    struct statvfs vfs;
    char text[32];
    if (fstatvfs(fd, &vfs)) {
        doctor_add(d, "free disk", DOCTOR_LIMITED, false, "Choose another directory with --results.", "unknown: %s",
                   strerror(errno));
        return;
    }
    double left = (double)vfs.f_bavail * (double)vfs.f_frsize;
    enum doctor_state state = left < least_disk_bytes    ? DOCTOR_MISSING
                              : left < enough_disk_bytes ? DOCTOR_LIMITED
                                                         : DOCTOR_OK;
    doctor_add(d, "free disk", state, true,
               "A day's run takes up to 50 MB; free some space (seep runs --prune) or choose another directory with "
               "--results.",
               "%s", units_bytes(text, sizeof text, left));
}

// Asking for the right is not enough (root, read-only mounts, /proc): a directory is made there and removed again.
static int try_to_make(int dir_fd, struct seep_err *err)
{
    char hex[33], name[64];
    if (fs_random_hex(hex, err))
        return -1;
    snprintf(name, sizeof name, "seep-doctor-%.12s", hex);
    int fd = fs_make_private_dir(dir_fd, name, err);
    if (fd < 0)
        return -1;
    close(fd);
    return unlinkat(dir_fd, name, AT_REMOVEDIR) ? seep_fail_errno(err, errno, "'%s' cannot be removed", name) : 0;
}

void doctor_results(struct doctor *d)
{
    static const char elsewhere[] = "Choose a local directory that you may write to with --results or SEEP_RESULTS.";
    char found[4096];
    const char *network;
    int fd = open_nearest(d->results_dir, found, sizeof found);
    if (fd < 0) {
        doctor_add(d, "results directory", DOCTOR_MISSING, true, elsewhere, "'%.200s' cannot be opened: %s", found,
                   strerror(errno));
        return;
    }
    struct seep_err err;
    if (try_to_make(fd, &err))
        doctor_add(d, "results directory", DOCTOR_MISSING, true, elsewhere, "'%.200s' cannot be written to: %.150s",
                   found, err.text);
    else if (store_on_network(fd, &network))
        doctor_add(d, "results directory", DOCTOR_MISSING, true, elsewhere,
                   "'%.200s' lies on a network file system (%s)", found, network);
    else
        doctor_add(d, "results directory", DOCTOR_OK, true, NULL, "'%.200s'%s, on a local file system", d->results_dir,
                   strcmp(found, d->results_dir) ? " can be made" : " can be written to");
    results_disk(d, fd);
    close(fd);
}
