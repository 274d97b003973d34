// The workers' setup and teardown, once for all of them: see together.h.
#include "load/together.h"
#include "load/proto.h"

#include <stdlib.h>
#include <string.h>

int together_open(struct load_together *t, const struct profile *p, int n_links, struct seep_err *err)
{
    *t = (struct load_together){.n_loads = p->n_loads, .n_links = n_links};
    t->load = calloc((size_t)p->n_loads, sizeof *t->load);
    t->part_over = calloc((size_t)p->n_loads * (size_t)n_links, sizeof *t->part_over);
    if (!t->load || !t->part_over)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d loads.", p->n_loads);
    for (int i = 0; i < p->n_loads; i++) {
        t->load[i].setup = p->loads[i].n_setup > 0;
        t->load[i].teardown = p->loads[i].n_teardown > 0;
    }
    return 0;
}

void together_close(struct load_together *t)
{
    free(t->load);
    free(t->part_over);
    *t = (struct load_together){0};
}

void together_begin(struct load_together *t)
{
    for (int i = 0; i < t->n_loads; i++)
        t->load[i].set_up = t->load[i].over = false;
    memset(t->part_over, 0, (size_t)t->n_loads * (size_t)t->n_links * sizeof *t->part_over);
}

static int worker_of(const struct load_together *t, int load)
{
    return load % t->n_links;
}

static void tell_others(const struct load_together *t, struct load_link *link, int load, int fd)
{
    for (int i = 0; i < t->n_links; i++) {
        if (i != worker_of(t, load) && link[i].state != LOAD_LOST)
            link_hand(&link[i], PROTO_SETUP, (uint32_t)load, fd);
    }
}

void together_setup(struct load_together *t, struct load_link *link, int from, int load, int fd)
{
    if (load >= t->n_loads || from != worker_of(t, load) || t->load[load].set_up)
        return;
    t->load[load].set_up = true;
    tell_others(t, link, load, fd);
}

static bool all_parts_over(const struct load_together *t, const struct load_link *link, int load)
{
    for (int i = 0; i < t->n_links; i++) {
        if (link[i].state != LOAD_LOST && !t->part_over[load * t->n_links + i])
            return false;
    }
    return true;
}

static void look_at(struct load_together *t, struct load_link *link, int load)
{
    struct together_load *l = &t->load[load];
    struct load_link *own = &link[worker_of(t, load)];
    if (l->setup && !l->set_up && own->state == LOAD_LOST) { // nobody is left to tell how it ended
        l->set_up = true;
        tell_others(t, link, load, -1);
    }
    if (l->teardown && !l->over && own->state != LOAD_LOST && all_parts_over(t, link, load)) {
        l->over = true;
        link_hand(own, PROTO_OVER, (uint32_t)load, -1);
    }
}

void together_part_over(struct load_together *t, struct load_link *link, int from, int load)
{
    if (load >= t->n_loads)
        return;
    t->part_over[load * t->n_links + from] = true;
    look_at(t, link, load);
}

void together_look(struct load_together *t, struct load_link *link)
{
    for (int i = 0; i < t->n_loads; i++)
        look_at(t, link, i);
}
