// The run's numbers for modules and stacks: see stack_table.h.
#include "run/stack_table.h"
#include "base/check.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct stack_row {
    uint64_t hash;
    unsigned flags;
    size_t n_frames;
    struct store_frame *frames;
};

struct stack_table {
    pthread_mutex_t lock; // guards growth against readers; the adding thread reads without it
    struct stack_table_module modules[STACK_TABLE_MODULES_MAX];
    size_t n_modules, n_files;
    struct stack_row **stacks;
    size_t n_stacks, cap_stacks;
    uint32_t *slots; // open addressing over the hash: number + 1; the adding thread's alone
    size_t n_slots;
};

static struct stack_row *new_row(uint64_t hash, unsigned flags, const struct store_frame *frames, size_t n)
{
    struct stack_row *row = calloc(1, sizeof *row);
    if (!row)
        return NULL;
    row->frames = malloc((n ? n : 1) * sizeof *row->frames);
    if (!row->frames) {
        free(row);
        return NULL;
    }
    if (n)
        memcpy(row->frames, frames, n * sizeof *frames);
    row->hash = hash;
    row->flags = flags;
    row->n_frames = n;
    return row;
}

static void free_row(struct stack_row *row)
{
    if (row)
        free(row->frames);
    free(row);
}

struct stack_table *stack_table_new(struct seep_err *err)
{
    struct stack_table *t = calloc(1, sizeof *t);
    struct stack_row *other = new_row(0, STACK_OTHER, NULL, 0);
    if (t) {
        pthread_mutex_init(&t->lock, NULL);
        t->n_slots = 1024;
        t->slots = calloc(t->n_slots, sizeof *t->slots);
        t->cap_stacks = 256;
        t->stacks = calloc(t->cap_stacks, sizeof *t->stacks);
    }
    if (!t || !other || !t->slots || !t->stacks) {
        free_row(other);
        stack_table_free(t);
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the table of call stacks");
        return NULL;
    }
    t->stacks[t->n_stacks++] = other;
    return t;
}

void stack_table_free(struct stack_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_modules; i++) {
        free((char *)t->modules[i].path);
        free((char *)t->modules[i].build_id);
        if (t->modules[i].fd >= 0)
            close(t->modules[i].fd);
    }
    for (size_t i = 0; t->stacks && i < t->n_stacks; i++)
        free_row(t->stacks[i]);
    free(t->stacks);
    free(t->slots);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static size_t find_module(const struct stack_table *t, const char *path, const char *build_id)
{
    size_t i = 0;
    while (i < t->n_modules && (strcmp(t->modules[i].build_id, build_id) || strcmp(t->modules[i].path, path)))
        i++;
    return i;
}

// Under the lock: keeps the file if the module has none yet and there is room for one more.
static void keep_file(struct stack_table *t, struct stack_table_module *m, int fd)
{
    if (fd >= 0 && m->fd < 0 && t->n_files < STACK_TABLE_FILES_MAX) {
        m->fd = fd;
        t->n_files++;
    } else if (fd >= 0) {
        close(fd);
    }
}

uint32_t stack_table_add_module(struct stack_table *t, const char *path, const char *build_id, uint64_t size, int fd)
{
    size_t i = find_module(t, path, build_id);
    bool fresh = i == t->n_modules;
    char *path_copy = fresh ? strdup(path) : NULL, *id_copy = fresh ? strdup(build_id) : NULL;
    if (fresh && (i == STACK_TABLE_MODULES_MAX || !path_copy || !id_copy)) {
        free(path_copy);
        free(id_copy);
        if (fd >= 0)
            close(fd);
        return 0;
    }
    pthread_mutex_lock(&t->lock);
    if (fresh)
        t->modules[t->n_modules++] =
            (struct stack_table_module){.path = path_copy, .build_id = id_copy, .size = size, .fd = -1};
    keep_file(t, &t->modules[i], fd);
    pthread_mutex_unlock(&t->lock);
    return (uint32_t)i + 1;
}

int stack_table_module_fd(void *arg, const char *path, const char *build_id)
{
    struct stack_table *t = arg;
    pthread_mutex_lock(&t->lock);
    size_t i = find_module(t, path, build_id);
    int fd = i < t->n_modules ? t->modules[i].fd : -1;
    pthread_mutex_unlock(&t->lock);
    return fd;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
    h ^= v;
    h *= 0x9e3779b97f4a7c15ull;
    return h ^ h >> 32;
}

static uint64_t hash_stack(unsigned flags, const struct store_frame *frames, size_t n)
{
    uint64_t h = mix(flags + 1, n);
    for (size_t i = 0; i < n; i++)
        h = mix(mix(h, frames[i].module), frames[i].offset);
    return h;
}

static bool same_stack(const struct stack_row *s, unsigned flags, const struct store_frame *frames, size_t n)
{
    if (s->flags != flags || s->n_frames != n)
        return false;
    for (size_t i = 0; i < n; i++)
        if (s->frames[i].module != frames[i].module || s->frames[i].offset != frames[i].offset)
            return false;
    return true;
}

static void grow_slots(struct stack_table *t)
{
    size_t n = t->n_slots * 2;
    uint32_t *slots = calloc(n, sizeof *slots);
    if (!slots)
        return; // fuller and slower, but right until the last slot; stack_table_add() keeps one free
    for (size_t i = 1; i < t->n_stacks; i++) {
        size_t at = t->stacks[i]->hash & (n - 1);
        while (slots[at])
            at = (at + 1) & (n - 1);
        slots[at] = (uint32_t)i + 1;
    }
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
}

static bool append(struct stack_table *t, struct stack_row *row)
{
    pthread_mutex_lock(&t->lock);
    if (t->n_stacks == t->cap_stacks) {
        struct stack_row **grown = realloc(t->stacks, 2 * t->cap_stacks * sizeof(*grown));
        if (grown) {
            t->stacks = grown;
            t->cap_stacks *= 2;
        }
    }
    bool fits = t->n_stacks < t->cap_stacks;
    if (fits)
        t->stacks[t->n_stacks++] = row;
    pthread_mutex_unlock(&t->lock);
    return fits;
}

uint32_t stack_table_add(struct stack_table *t, unsigned flags, const struct store_frame *frames, size_t n)
{
    uint64_t hash = hash_stack(flags, frames, n);
    size_t at = hash & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        const struct stack_row *s = t->stacks[t->slots[at] - 1];
        if (s->hash == hash && same_stack(s, flags, frames, n))
            return t->slots[at] - 1;
    }
    if (t->n_stacks >= STACK_TABLE_MAX || t->n_stacks + 1 >= t->n_slots)
        return 0;
    struct stack_row *row = new_row(hash, flags, frames, n);
    if (!row || !append(t, row)) {
        free_row(row);
        return 0;
    }
    t->slots[at] = (uint32_t)t->n_stacks;
    if (t->n_stacks * 2 > t->n_slots)
        grow_slots(t);
    return (uint32_t)(t->n_stacks - 1);
}

size_t stack_table_count(struct stack_table *t)
{
    pthread_mutex_lock(&t->lock);
    size_t n = t->n_stacks;
    pthread_mutex_unlock(&t->lock);
    return n;
}

struct stack_table_stack stack_table_stack(struct stack_table *t, uint32_t stack)
{
    pthread_mutex_lock(&t->lock);
    SEEP_CHECK(stack < t->n_stacks);
    const struct stack_row *s = t->stacks[stack];
    pthread_mutex_unlock(&t->lock);
    return (struct stack_table_stack){.flags = s->flags, .frames = s->frames, .n_frames = s->n_frames};
}

struct stack_table_module stack_table_module(struct stack_table *t, size_t module)
{
    pthread_mutex_lock(&t->lock);
    SEEP_CHECK(module < t->n_modules);
    struct stack_table_module m = t->modules[module];
    pthread_mutex_unlock(&t->lock);
    return m;
}
