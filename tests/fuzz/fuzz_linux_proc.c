// The readers of /proc against files with anything in them: names of threads and mappings are the target's.
//
// An input is a file's number and its contents; the file lies in a directory of our own that the readers take for
// /proc.
#include "fuzz.h"
#include "linux/exe.h"
#include "linux/host.h"
#include "linux/mem.h"
#include "linux/net.h"
#include "linux/proc.h"
#include "linux/tree.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PID = 4711 };

static const char *const files[] = {"stat",  "statm",   "status",  "smaps_rollup", "io",      "maps",
                                    "smaps", "environ", "cmdline", "oom_score",    "net/tcp", "net/unix"};
enum { FILES = sizeof files / sizeof *files };

static char dir[64];
static int proc_fd = -1;

static void remove_all(void)
{
    char path[160];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%d/%s", dir, PID, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/%d/net", dir, PID);
    rmdir(path);
    snprintf(path, sizeof path, "%s/%d", dir, PID);
    rmdir(path);
    rmdir(dir);
}

static void prepare(void)
{
    char path[160];
    snprintf(dir, sizeof dir, "/dev/shm/seep-fuzz-XXXXXX");
    FUZZ_NEED(mkdtemp(dir) != NULL);
    snprintf(path, sizeof path, "%s/%d", dir, PID);
    FUZZ_NEED(mkdir(path, 0700) == 0);
    snprintf(path, sizeof path, "%s/%d/net", dir, PID);
    FUZZ_NEED(mkdir(path, 0700) == 0);
    proc_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    FUZZ_NEED(proc_fd >= 0);
    atexit(remove_all);
}

static void write_file(const char *name, const uint8_t *data, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", PID, name);
    int fd = openat(proc_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FUZZ_NEED(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static int visit(const struct linux_map *map, void *arg)
{
    size_t *n = arg;
    FUZZ_NEED(memchr(map->perms, 0, sizeof map->perms) != NULL && strlen(map->path) < 8192);
    return ++*n > 100000;
}

static void read_numbers(struct seep_err *err)
{
    struct linux_stat st;
    struct linux_statm sm;
    struct linux_status ss;
    struct linux_rollup ru;
    struct linux_io io;
    (void)linux_stat_read(proc_fd, PID, &st, err);
    (void)linux_statm_read(proc_fd, PID, &sm, err);
    (void)linux_status_read(proc_fd, PID, &ss, err);
    (void)linux_rollup_read(proc_fd, PID, &ru, err);
    (void)linux_io_read(proc_fd, PID, &io, err);
}

static void read_text(struct seep_err *err)
{
    struct linux_map_sum parts[LINUX_MAP_PARTS];
    struct linux_listener listeners[16];
    char value[256], path[LINUX_EXE_PATH_MAX], name[16];
    size_t n = 0, beyond = 0;
    int64_t maps;
    (void)linux_maps_split(proc_fd, PID, parts, err);
    (void)linux_maps_each(proc_fd, PID, visit, &n, err);
    (void)linux_maps_count(proc_fd, PID, &maps, err);
    (void)linux_mapped(proc_fd, PID, "libc.so.6", err);
    (void)linux_allocator_of(proc_fd, PID, name, path, err);
    if (linux_cmdline_read(proc_fd, PID, value, sizeof value, &n, err) == 0)
        FUZZ_NEED(n <= sizeof value);
    n = 0;
    if (linux_listeners(proc_fd, PID, listeners, 16, &beyond, err) >= 0)
        for (size_t i = 0; i < 16; i++)
            (void)listeners[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seep_err err = {0};
    if (proc_fd < 0)
        prepare();
    if (size == 0)
        return 0;
    const char *name = files[data[0] % FILES];
    write_file(name, data + 1, size - 1);
    read_numbers(&err);
    read_text(&err);
    write_file(name, NULL, 0);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const own[FILES] = {"stat",  "statm",   "status",  "smaps_rollup", "io",      "maps",
                                           "smaps", "environ", "cmdline", "oom_score",    "net/tcp", "net/unix"};
    static const char *const hostile[] = {
        "\0"
        "4711 (a) R 1 (b)) S 1 4711 4711 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 77 1000 25 18446744073709551615 1 1 1\n",
        "\5"
        "00400000-00452000 r-xp 00000000 08:02 173521      /a (deleted)\\012b\n7f-ff rw-p 0 0:0 0 [stack:1]\n",
    };
    char path[64];
    if (i < FILES) {
        out[0] = (uint8_t)i;
        snprintf(path, sizeof path, "/proc/self/%s", own[i]);
        return fuzz_seed_file(path, out, 1);
    }
    if (i - FILES >= sizeof hostile / sizeof *hostile)
        return 0;
    const char *text = hostile[i - FILES];
    size_t n = 1 + strlen(text + 1);
    memcpy(out, text, n);
    return n;
}
