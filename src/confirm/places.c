// The maps of processes under valgrind: see places.h.
#include "confirm/places.h"
#include "linux/mem.h"

#include <elf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSES_MAX = 1024, PLACES_MAX = 4096 };

struct noting {
    struct confirm_places *out;
    char path[512]; // of the mapping before
    uint64_t bias;
};

// A program that is linked to fixed addresses has no bias. What cannot be read is taken for what is usual.
static bool is_fixed(const char *path)
{
    unsigned char head[sizeof(Elf64_Ehdr)];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t got = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    if (fd >= 0)
        close(fd);
    Elf64_Ehdr *elf = (Elf64_Ehdr *)(void *)head;
    return got == (ssize_t)sizeof head && !memcmp(head, ELFMAG, SELFMAG) && elf->e_type == ET_EXEC;
}

static int take_map(const struct linux_map *map, void *arg)
{
    struct noting *g = arg;
    if (map->path[0] != '/' || strlen(map->path) >= sizeof g->path)
        return 0;
    if (strcmp(g->path, map->path) || map->offset == 0) { // the first part of a file, from its beginning
        strcpy(g->path, map->path);
        g->bias = is_fixed(map->path) ? 0 : map->start - map->offset;
    }
    if (map->perms[2] != 'x' || g->out->n >= PLACES_MAX)
        return 0;
    if (g->out->n == g->out->cap) {
        size_t cap = g->out->cap ? 2 * g->out->cap : 32;
        struct confirm_place *list = realloc(g->out->list, cap * sizeof *list);
        if (!list)
            return -1;
        g->out->list = list;
        g->out->cap = cap;
    }
    g->out->list[g->out->n++] = (struct confirm_place){.start = map->start, .end = map->end, .bias = g->bias};
    return 0;
}

static struct confirm_places *slot_of(struct confirm_atlas *a, pid_t pid)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->of[i].pid == pid)
            return &a->of[i];
    if (a->n == a->cap && a->n < PROCESSES_MAX) {
        size_t cap = a->cap ? 2 * a->cap : 8;
        struct confirm_places *of = realloc(a->of, cap * sizeof *of);
        if (!of)
            return NULL;
        a->of = of;
        a->cap = cap;
    }
    if (a->n == a->cap)
        return NULL;
    a->of[a->n] = (struct confirm_places){.pid = pid};
    return &a->of[a->n++];
}

void confirm_atlas_note(struct confirm_atlas *a, int proc_fd, pid_t pid)
{
    struct confirm_places now = {.pid = pid};
    struct noting g = {.out = &now};
    linux_maps_each(proc_fd, pid, take_map, &g, NULL);
    struct confirm_places *slot = now.n > 0 ? slot_of(a, pid) : NULL;
    if (!slot) {
        free(now.list);
        return;
    }
    free(slot->list);
    *slot = now;
}

const struct confirm_places *confirm_atlas_find(const struct confirm_atlas *a, pid_t pid)
{
    for (size_t i = 0; i < a->n; i++)
        if (a->of[i].pid == pid)
            return &a->of[i];
    return NULL;
}

void confirm_atlas_free(struct confirm_atlas *a)
{
    for (size_t i = 0; i < a->n; i++)
        free(a->of[i].list);
    free(a->of);
    *a = (struct confirm_atlas){0};
}

uint64_t confirm_return_address(const struct confirm_places *places, uint64_t ip)
{
    for (size_t i = 0; places && i < places->n; i++)
        if (ip >= places->list[i].start && ip < places->list[i].end)
            return ip + 1 - places->list[i].bias;
    return UINT64_MAX;
}
