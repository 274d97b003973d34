// Runs a command under the probe and prints what the reader sees at its end: totals, how the walks went, the heaviest
// stacks with module offsets. A developer's window.
// usage: probe_look [-m MEAN_BYTES] [-n STACKS] COMMAND [ARG...]
#include "region_server.c"

#include "wire/wire.h"

static int by_live(const void *va, const void *vb)
{
    const struct wire_stack *a = va, *b = vb;
    return a->alloc_bytes < b->alloc_bytes ? 1 : a->alloc_bytes > b->alloc_bytes ? -1 : 0;
}

static void print_stack(struct wire *w, const struct wire_snapshot *s, const struct wire_stack *k)
{
    printf("  #%u class %u flags %u live %.0f B in %.1f, allocated %.0f B in %.1f, %u frames\n", k->id, k->klass,
           k->flags, k->live_bytes, k->live_blocks, k->alloc_bytes, k->alloc_blocks, k->frames);
    for (unsigned f = 0; f < k->frames; f++) {
        const struct wire_frame *fr = &s->frame[k->first_frame + f];
        struct wire_module m = {.path = "?"};
        if (wire_module(w, fr->module, &m) < 0)
            m.bias = 0;
        printf("      %s+0x%llx%s\n", m.path, (unsigned long long)(fr->pc - m.bias), fr->exact ? " (exact)" : "");
    }
}

static void look(int fd, int pid, int show)
{
    struct seep_err err;
    struct wire *w = wire_open(fd, &err);
    struct wire_snapshot s = {0};
    struct wire_hello h;
    if (!w || wire_snapshot(w, 0, 1, &s, &err) < 0) {
        printf("pid %d: %s\n", pid, err.text);
        return;
    }
    wire_hello(w, &h);
    struct wire_totals *t = &s.totals;
    printf("pid %d%s %s flags %llu\n", pid, h.forked ? " (forked)" : "", h.exe_path, (unsigned long long)h.flags);
    printf("  allocs %llu frees %llu live %.0f B in %.0f (usable %lld) maps %.0f B stacks %llu corrupt %zu\n",
           (unsigned long long)t->alloc_blocks, (unsigned long long)t->free_blocks, t->live_bytes, t->live_blocks,
           (long long)(t->usable_alloc_bytes - t->usable_free_bytes), t->map_live_bytes, (unsigned long long)t->stacks,
           s.corrupt);
    printf("  walks %llu hits %.1f %% wrong %llu truncated %llu slow %llu rule misses %llu flushes %llu modules %u\n",
           (unsigned long long)t->walks, t->walks ? 100.0 * (double)t->walk_hits / (double)t->walks : 0,
           (unsigned long long)t->known_wrong, (unsigned long long)t->truncated_walks,
           (unsigned long long)t->slow_walks, (unsigned long long)t->rule_misses, (unsigned long long)t->rule_flushes,
           wire_modules(w));
    printf("  nested %llu unknown frees %llu overflow %llu lost %llu pool %llu of %llu full %llu map overflow %llu\n",
           (unsigned long long)t->nested, (unsigned long long)t->unknown_frees, (unsigned long long)t->live_overflow,
           (unsigned long long)t->samples_lost, (unsigned long long)t->pool_used_bytes,
           (unsigned long long)t->pool_bytes, (unsigned long long)t->pool_full, (unsigned long long)t->map_overflow);
    qsort(s.stack, s.stacks, sizeof *s.stack, by_live);
    for (int i = 0; i < show && (size_t)i < s.stacks; i++)
        print_stack(w, &s, &s.stack[i]);
    for (size_t i = 0, n = 0; i < s.stacks && n < 2 && show; i++)
        if (s.stack[i].flags & 1) {
            print_stack(w, &s, &s.stack[i]);
            n++;
        }
    wire_snapshot_free(&s);
    wire_close(w);
}

int main(int argc, char **argv)
{
    struct region_server s = {.region_bytes = 256 << 20};
    int c, show = 0;
    unsigned flags = 0;
    while ((c = getopt(argc, argv, "+m:n:f:")) != -1) {
        if (c == 'm')
            s.mean_bytes = strtoull(optarg, NULL, 10);
        else if (c == 'n')
            show = atoi(optarg);
        else if (c == 'f')
            flags = (unsigned)atoi(optarg);
        else
            return 2;
    }
    region_server_start(&s, flags);
    int status = region_run(&s, argv + optind, NULL, NULL, 0, 300);
    printf("status %x, %u regions, %u refused\n", (unsigned)status, region_server_count(&s), s.refused);
    for (unsigned i = 0; i < s.regions && i < 4; i++)
        look(s.fd[i], s.pid[i], show);
    region_server_stop(&s);
    return 0;
}
