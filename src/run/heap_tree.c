// Regions and the processes of the tree: who lives, who is heir to whom, what becomes of each process's attribution.
#include "run/heap_priv.h"

#include "linux/mapped.h"
#include "linux/mem.h"
#include "seep_wire.h"

#include <stdio.h>
#include <string.h>

static bool in_tree(const struct region *g, const struct linux_tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *n = &tree->nodes[i];
        if (n->pid == g->pid && n->starttime_ticks == g->starttime_ticks)
            return n->state != 'Z' && n->state != 'X';
    }
    return false;
}

// A process that executes another program keeps its pid and loses its heap: the region it had is over then.
static bool has_its_image(int proc_fd, const struct region *g)
{
    struct wire_hello hello;
    wire_hello(g->wire, &hello);
    return !hello.attached || !hello.map_bytes || hello.off_reason == SEEP_OFF_LOCKED ||
           linux_mapped_there(proc_fd, g->pid, hello.map_address, hello.map_address + hello.map_bytes);
}

bool heap_main_is_unseen(const struct run_heap *h, const struct linux_tree *tree)
{
    bool runs = false;
    for (size_t i = 0; i < h->n_regions; i++) {
        const struct region *g = h->regions[i];
        if (g->main && g->alive)
            return false;
        runs |= g->main && in_tree(g, tree);
    }
    return runs;
}

static const char *off_sentence(uint32_t reason)
{
    switch (reason) {
    case SEEP_OFF_STALLED:
        return "it held up a thread for more than a second";
    case SEEP_OFF_LOCKED:
        return "the program locks its memory (mlockall), and its limit has no room for what the probe has mapped";
    case HEAP_OFF_LIES:
        return "what stood in the memory it shares with seep cannot be true of any process";
    case SEEP_OFF_CONTROL:
        return "seep asked it to";
    default:
        return "";
    }
}

// What an attributed process does that the probe cannot see: the end of a sentence, "" when there is nothing.
static void blind_spots(const struct region *g, char *text, size_t size)
{
    uint64_t unseen = g->snapshot.totals.unseen_frees;
    text[0] = '\0';
    if (g->heritage == SEEP_HERITAGE_UNKNOWN)
        snprintf(text, size, "the blocks it inherited are known in sum only");
    else if (g->second_libc)
        snprintf(text, size, "it loaded a library with a C library of its own (dlmopen), whose allocations are not");
    else if (unseen > 0)
        snprintf(text, size,
                 "but code in it allocates and frees past the probe (a plug-in loaded with RTLD_DEEPBIND?)");
}

// What becomes of each process goes into the report.
void heap_follow(struct run_heap *h, int proc_fd, const struct linux_tree *tree)
{
    char blind[160];
    for (size_t i = 0; i < tree->count; i++) {
        const struct linux_tree_node *n = &tree->nodes[i];
        const struct region *g = NULL;
        if (n->state == 'Z' || n->state == 'X')
            continue;
        for (size_t k = 0; !g && k < h->n_regions; k++)
            if (h->regions[k]->alive && h->regions[k]->attached && h->regions[k]->pid == n->pid)
                g = h->regions[k];
        if (!g)
            followed_note(&h->followed, proc_fd, n, FOLLOWED_NO, h->only_main ? "attribution.children is off" : NULL);
        else if (g->off)
            followed_note(&h->followed, proc_fd, n, FOLLOWED_OFF, off_sentence(g->off_reason));
        else {
            blind_spots(g, blind, sizeof blind);
            followed_note(&h->followed, proc_fd, n, FOLLOWED_YES, blind);
        }
    }
}

static int count_libc(const struct linux_map *map, void *arg)
{
    const char *slash = strrchr(map->path, '/');
    *(unsigned *)arg += map->offset == 0 && slash && !strcmp(slash, "/libc.so.6");
    return 0;
}

// Now and then, the more rarely the longer it has been so: plug-ins come early, and reading maps has its price.
static void look_for_namespaces(struct region *g, int proc_fd)
{
    unsigned n = 0;
    g->looks++;
    if (!g->alive || g->second_libc || ((g->looks & (g->looks - 1)) && g->looks % 64))
        return;
    linux_maps_each(proc_fd, g->pid, count_libc, &n, NULL);
    g->second_libc = n > 1;
}

static void look(struct region *g, int proc_fd, const struct linux_tree *tree)
{
    struct wire_hello hello;
    wire_hello(g->wire, &hello);
    g->alive = in_tree(g, tree) && has_its_image(proc_fd, g);
    g->attached = hello.attached;
    g->off = hello.off || g->stalled || g->lies;
    g->off_reason = g->lies ? (uint32_t)HEAP_OFF_LIES : g->stalled ? (uint32_t)SEEP_OFF_STALLED : hello.off_reason;
    g->heritage = hello.heritage;
    g->born_ns = hello.attach_time_ns;
    g->parent_ns = hello.parent_time_ns;
    look_for_namespaces(g, proc_fd);
}

// The blocks of a process that is gone pass to the first of its children still there (a daemon goes on as one).
static void find_heirs(struct run_heap *h)
{
    for (size_t i = 0; i < h->n_regions; i++) {
        struct region *g = h->regions[i];
        bool owned = !g->alive || !g->parent_ns || g->heir;
        for (size_t k = 0; !owned && k < h->n_regions; k++) {
            const struct region *o = h->regions[k];
            owned = o != g && o->alive && (o->born_ns == g->parent_ns || (o->heir && o->parent_ns == g->parent_ns));
        }
        g->heir |= !owned;
    }
}

void heap_look(struct run_heap *h, int proc_fd, const struct linux_tree *tree)
{
    for (size_t i = 0; i < h->n_regions; i++)
        look(h->regions[i], proc_fd, tree);
    find_heirs(h);
}

bool heap_process(const struct run_heap *h, size_t i, char *text, size_t size)
{
    return followed_sentence(&h->followed, i, text, size);
}

size_t heap_processes(const struct run_heap *h)
{
    return h->followed.count;
}

void heap_follow_only_main(struct run_heap *h)
{
    h->only_main = true;
}

const char *heap_outside(struct run_heap *h, int proc_fd, double outside, double brk)
{
    const struct region *main = NULL;
    for (size_t i = 0; i < h->n_regions; i++)
        if (h->regions[i]->main && h->regions[i]->alive && heap_tells(h->regions[i]))
            main = h->regions[i];
    if (!main || h->past.kind != HEAP_PAST_NO)
        return NULL;
    const struct wire_totals *t = &main->snapshot.totals;
    // What the program itself put between two breaks has a stack, as other mappings have.
    heap_past_look(&h->past, proc_fd, main->pid, outside, brk - (double)t->break_bytes,
                   (double)t->usable_alloc_bytes - (double)t->usable_free_bytes, (double)t->alloc_blocks);
    if (h->past.kind == HEAP_PAST_NO)
        return NULL;
    h->seen.past = true;
    return heap_past_text(&h->past, h->past_text, sizeof h->past_text);
}

const char *heap_past_allocator(const struct run_heap *h)
{
    return h->past.kind == HEAP_PAST_EMBEDDED ? h->past.name : "";
}

// ---- the evidence

// A process may have come and gone between two ticks: what its region says counts as well.
static void look_at_hellos(struct run_heap *h)
{
    heap_take_arrivals(h);
    for (size_t i = 0; i < h->n_regions; i++) {
        struct wire_hello hello;
        wire_hello(h->regions[i]->wire, &hello);
        h->seen.any |= hello.attached != 0;
    }
}

void heap_evidence(struct run_heap *h, struct heap_evidence *out)
{
    look_at_hellos(h);
    *out = h->seen;
    snprintf(out->allocator, sizeof out->allocator, "%s", h->last_allocator.kind);
    if (!out->any)
        snprintf(out->trouble, sizeof out->trouble,
                 "No process of the target ever answered through the probe: the loader did not take it (static, "
                 "setuid, another "
                 "libc, or an environment that was cleared), or it never allocated.");
    else if (out->gave_up && h->gave_up_reason == HEAP_OFF_LIES)
        snprintf(
            out->trouble, sizeof out->trouble,
            "What process %d says of its heap is inconsistent: it would have more live bytes than addresses. Something "
            "writes into the memory it shares with seep; its allocations are not attributed.",
            (int)h->gave_up_pid);
    else if (out->gave_up && h->gave_up_reason == SEEP_OFF_LOCKED)
        snprintf(out->trouble, sizeof out->trouble,
                 "Process %d locks its memory (mlockall), and its limit has no room for what the probe has mapped: the "
                 "probe left it, and from then on its allocations are not attributed.",
                 (int)h->gave_up_pid);
    else if (out->gave_up)
        snprintf(out->trouble, sizeof out->trouble,
                 "The probe held up a thread of process %d for more than a second and was turned off; from then on its "
                 "allocations are not attributed.",
                 (int)h->gave_up_pid);
    else if (out->past)
        snprintf(out->trouble, sizeof out->trouble, "%s", h->past_text);
    else if (out->main_unseen)
        snprintf(out->trouble, sizeof out->trouble,
                 "The main process executed a program that the probe is not in (its environment was cleared, or it is "
                 "static, setuid or of another libc), so its allocations are not attributed.");
    else if (out->processes_attributed < out->processes_seen)
        snprintf(out->trouble, sizeof out->trouble, "%zu of %zu processes are attributed.", out->processes_attributed,
                 out->processes_seen);
}
