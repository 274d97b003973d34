// Ranges and mappings of an address space: see mem.h.
#include "linux/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "linux/text.h"

#define PAGE_PRESENT (1ull << 63)
#define PAGE_SWAPPED (1ull << 62)

static int open_of(int proc_fd, pid_t pid, const char *name, struct seep_err *err)
{
    char path[64];
    snprintf(path, sizeof path, "%d/%s", (int)pid, name);
    int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? text_fail(err, errno, pid, name) : fd;
}

int linux_range_resident(int proc_fd, pid_t pid, uint64_t start, uint64_t len, int64_t *resident_bytes,
                         struct seep_err *err)
{
    uint64_t entries[4096], page = (uint64_t)sysconf(_SC_PAGESIZE), present = 0;
    uint64_t first = start / page, pages = len / page + (len % page != 0);
    int fd = open_of(proc_fd, pid, "pagemap", err);
    if (fd < 0)
        return -1;
    while (pages > 0) {
        size_t want = (pages < 4096 ? (size_t)pages : 4096) * sizeof *entries;
        ssize_t got = pread(fd, entries, want, (off_t)(first * sizeof *entries));
        if (got <= 0) { // end of the address space, or the process is gone
            int saved = got < 0 ? errno : ESRCH;
            close(fd);
            return text_fail(err, saved, pid, "pagemap");
        }
        uint64_t count = (uint64_t)got / sizeof *entries;
        for (uint64_t i = 0; i < count; i++)
            present += (entries[i] & PAGE_PRESENT) != 0;
        first += count;
        pages -= count;
    }
    close(fd);
    *resident_bytes = (int64_t)(present * page);
    return 0;
}

// --- maps
// --------------------------------------------------------------------------------------------------------------------

// "start-end perms offset major:minor inode   path"
static bool parse_map(char *line, struct linux_map *m)
{
    int at = 0;
    unsigned long long start, end, offset, inode;
    if (sscanf(line, "%llx-%llx %4s %llx %x:%x %llu %n", &start, &end, m->perms, &offset, &m->dev_major, &m->dev_minor,
               &inode, &at) < 7 ||
        end < start || end - start > INT64_MAX)
        return false;
    m->start = start;
    m->end = end;
    m->offset = offset;
    m->inode = inode;
    m->path = at > 0 ? line + at : "";
    return true;
}

static FILE *stream_of(int proc_fd, pid_t pid, const char *name, struct seep_err *err)
{
    int fd = open_of(proc_fd, pid, name, err);
    FILE *f = fd >= 0 ? fdopen(fd, "r") : NULL;
    if (fd >= 0 && !f) {
        close(fd);
        seep_fail_errno(err, ENOMEM, "\"%s\" of process %d cannot be read", name, (int)pid);
    }
    return f;
}

int linux_maps_each(int proc_fd, pid_t pid, linux_map_fn *fn, void *arg, struct seep_err *err)
{
    FILE *f = stream_of(proc_fd, pid, "maps", err);
    if (!f)
        return -1;
    char *line = NULL;
    size_t room = 0;
    int stop = 0;
    for (ssize_t len; !stop && (len = getline(&line, &room, f)) > 0;) {
        struct linux_map m;
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (parse_map(line, &m))
            stop = fn(&m, arg);
    }
    free(line);
    fclose(f);
    return 0;
}

static bool begins(const char *text, const char *prefix)
{
    return !strncmp(text, prefix, strlen(prefix));
}

// prev: the mapping before, whose kind decides what a nameless one is: pthread_create() leaves a PROT_NONE guard right
// below each stack. An allocator's reserve looks the other way round (the accessible part first), so arenas are not
// taken for stacks.
static enum linux_map_part part_of(const struct linux_map *m, const struct linux_map *prev)
{
    if (begins(m->path, "[heap]"))
        return LINUX_MAP_HEAP;
    if (begins(m->path, "[stack"))
        return LINUX_MAP_STACK;
    if (begins(m->path, "/memfd:seep-probe") || strstr(m->path, "/libseep-probe"))
        return LINUX_MAP_PROBE;
    if (begins(m->path, "/memfd:") || begins(m->path, "/dev/shm/") || begins(m->path, "/SYSV") ||
        begins(m->path, "/dev/zero"))
        return LINUX_MAP_SHMEM;
    if (m->path[0] == '/')
        return LINUX_MAP_FILE;
    if (begins(m->path, "[anon_shmem"))
        return LINUX_MAP_SHMEM;
    if (m->path[0] && !begins(m->path, "[anon"))
        return LINUX_MAP_OTHER;
    bool guarded = prev->end == m->start && prev->end > prev->start && !prev->path[0] && begins(prev->perms, "---p") &&
                   prev->end - prev->start <= (1u << 20);
    return guarded && begins(m->perms, "rw-p") ? LINUX_MAP_THREAD_STACK : LINUX_MAP_ANON;
}

static void add_field(struct linux_map_sum *sum, const char *line)
{
    const struct text_want wants[] = {{"Rss:", &(int64_t){0}, 1024},
                                      {"Pss:", &(int64_t){0}, 1024},
                                      {"Anonymous:", &(int64_t){0}, 1024},
                                      {"Swap:", &(int64_t){0}, 1024}};
    text_fields(line, wants, 4);
    text_add(&sum->rss_bytes, *wants[0].to);
    text_add(&sum->pss_bytes, *wants[1].to);
    text_add(&sum->anon_bytes, *wants[2].to);
    text_add(&sum->swap_bytes, *wants[3].to);
}

// The kernel writes smaps piece by piece and goes on behind the last mapping it wrote. One that has grown meanwhile
// (a heap under brk()) reaches beyond that point and is written again, whole: only its last appearance counts.
struct split {
    struct linux_map_sum *parts, before; // before: parts[part] without the mapping at hand
    enum linux_map_part part;
    struct linux_map prev;
};

static void begin_mapping(struct split *s, const struct linux_map *m)
{
    if (m->start < s->prev.end)
        s->parts[s->part] = s->before;
    else
        s->part = part_of(m, &s->prev);
    s->before = s->parts[s->part];
    s->parts[s->part].mappings++;
    text_add(&s->parts[s->part].size_bytes, (int64_t)(m->end - m->start));
    s->prev = *m;
    s->prev.path = m->path[0] ? "named" : "";
}

int linux_maps_split(int proc_fd, pid_t pid, struct linux_map_sum parts[LINUX_MAP_PARTS], struct seep_err *err)
{
    FILE *f = stream_of(proc_fd, pid, "smaps", err);
    if (!f)
        return -1;
    memset(parts, 0, LINUX_MAP_PARTS * sizeof *parts);
    struct split s = {.parts = parts, .part = LINUX_MAP_OTHER, .prev = {.path = ""}};
    struct linux_map m;
    char *line = NULL;
    size_t room = 0;
    for (ssize_t len; (len = getline(&line, &room, f)) > 0;) {
        // Fields begin with a capital letter, headers with a lower-case hexadecimal address.
        if (line[0] >= 'A' && line[0] <= 'Z') {
            add_field(&parts[s.part], line);
            continue;
        }
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if (parse_map(line, &m))
            begin_mapping(&s, &m);
    }
    free(line);
    fclose(f);
    return 0;
}

bool linux_memory_shared(pid_t a, pid_t b)
{
    return syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0;
}
