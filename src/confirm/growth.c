// How the heap went: a pass under massif (over time) and one under DHAT (by call path). See confirm.h.
#include "confirm/making.h"
#include "confirm/passing.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASSIF_MAX = 4096, OTHERS_MAX = 10, DHAT_POINTS = 3 };

static int open_file(const struct making *m, const char *name)
{
    return openat(m->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static DIR *open_files(const struct making *m)
{
    return fdopendir(openat(m->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// One more pass of the same workload under another tool; what memcheck's found stays. False with the reason in *p.
static bool run_pass(struct making *m, const char *tool, struct confirm_sites *sites, struct confirm_picture *p)
{
    struct confirm_pass memcheck = m->pass;
    if (!m->c->ran || confirm_pass_interrupted()) {
        p->reason = "memcheck did not get through, so no further pass was made";
        return false;
    }
    m->pass.tool = tool;
    m->pass.look = false;
    m->pass.fault_results = NULL;
    m->pass.probe_results = NULL;
    m->pass.sites = sites;
    m->pass.word = NULL;
    m->pass.started = m->pass.ready = m->pass.ended_itself = false;
    confirm_pass_run(&m->pass);
    if (m->pass.word)
        p->reason = report_strdup(m->arena, m->pass.why);
    m->pass = memcheck;
    return true;
}

// ---- massif ---------------------------------------------------------------------------------------------------------

// "time=", "mem_heap_B=" of the main process's file; whatever else stands there is passed over.
static void read_massif(const struct making *m, const char *name, struct confirm_picture *p)
{
    char line[512];
    double t = NAN;
    int fd = open_file(m, name);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    while (f && fgets(line, sizeof line, f) && p->n < MASSIF_MAX) {
        if (!strncmp(line, "time=", 5))
            t = strtod(line + 5, NULL) / 1e3;
        if (strncmp(line, "mem_heap_B=", 11) || isnan(t))
            continue;
        p->at[p->n] = t;
        p->bytes[p->n++] = strtod(line + 11, NULL);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

static void draw_massif(struct making *m)
{
    struct confirm_picture *p = &m->c->massif;
    char largest[300] = "";
    off_t size = 0;
    struct stat st;
    p->at = report_alloc(m->arena, MASSIF_MAX, sizeof *p->at);
    p->bytes = report_alloc(m->arena, MASSIF_MAX, sizeof *p->bytes);
    if (!p->at || !p->bytes || !run_pass(m, "massif", NULL, p))
        return;
    DIR *d = open_files(m);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (!strncmp(e->d_name, "massif.", 7) && fstatat(m->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_size > size) {
            snprintf(largest, sizeof largest, "%s", e->d_name);
            size = st.st_size;
        }
    if (d)
        closedir(d);
    if (largest[0])
        read_massif(m, largest, p);
    if (p->n > 0)
        p->reason = NULL; // a pass that was cut still shows how it went
    else if (!p->reason)
        p->reason = "massif left no file";
}

// ---- DHAT -----------------------------------------------------------------------------------------------------------

static void add_path(struct confirm_dhat_path *to, const struct confirm_site *s)
{
    const double *bytes = s->bytes[CONFIRM_REACHABLE], *blocks = s->blocks[CONFIRM_REACHABLE];
    double life = to->total_blocks > 0 ? to->life_instructions * to->total_blocks : 0;
    to->total_bytes += bytes[CONFIRM_DHAT_TOTAL];
    to->total_blocks += blocks[CONFIRM_DHAT_TOTAL];
    to->peak_bytes += bytes[CONFIRM_DHAT_PEAK];
    to->end_bytes += bytes[CONFIRM_DHAT_END];
    to->end_blocks += blocks[CONFIRM_DHAT_END];
    to->read_bytes += s->read_bytes;
    to->life_instructions = to->total_blocks > 0 ? (life + s->life_instructions) / to->total_blocks : NAN;
}

// Those that hold most at the end, largest first, behind the growing stacks of the run.
static void add_other(struct making *m, const struct confirm_site *s)
{
    struct confirm_dhat_path *list = m->c->dhat_paths + m->c->n_stacks;
    size_t n = m->c->n_dhat_paths - m->c->n_stacks, to = n < OTHERS_MAX ? n : OTHERS_MAX - 1;
    double held = s->bytes[CONFIRM_REACHABLE][CONFIRM_DHAT_END];
    if (held <= 0 || (n == OTHERS_MAX && held <= list[to].end_bytes))
        return;
    for (; to > 0 && list[to - 1].end_bytes < held; to--)
        list[to] = list[to - 1];
    list[to] = (struct confirm_dhat_path){.where = confirm_where(m->arena, s->key), .life_instructions = NAN};
    add_path(&list[to], s);
    m->c->n_dhat_paths += n < OTHERS_MAX;
}

static void take_paths(struct making *m, const struct confirm_sites *sites)
{
    struct confirm *c = m->c;
    char **keys = confirm_stack_keys(m);
    c->dhat_paths = report_alloc(m->arena, c->n_stacks + OTHERS_MAX, sizeof *c->dhat_paths);
    if (!keys || !c->dhat_paths) {
        confirm_stack_keys_free(m, keys);
        return;
    }
    c->n_dhat_paths = c->n_stacks;
    for (size_t i = 0; i < c->n_stacks; i++)
        c->dhat_paths[i] = (struct confirm_dhat_path){.stack = &c->stacks[i], .life_instructions = NAN};
    for (size_t i = 0; i < sites->n; i++) {
        size_t k = confirm_nearest(m, keys, &sites->list[i]);
        if (k == SIZE_MAX)
            add_other(m, &sites->list[i]);
        else
            add_path(&c->dhat_paths[k], &sites->list[i]);
    }
    confirm_stack_keys_free(m, keys);
}

// The picture is of the process whose heap was largest: peaks at different times are no sum.
static void take_dhat(struct making *m, const struct confirm_dhat *one)
{
    struct confirm_picture *p = &m->c->dhat;
    m->c->dhat_files++;
    m->c->dhat_total_bytes += one->bytes[CONFIRM_DHAT_TOTAL];
    m->c->dhat_total_blocks += one->blocks[CONFIRM_DHAT_TOTAL];
    if (p->n > 0 && one->bytes[CONFIRM_DHAT_PEAK] <= p->bytes[1])
        return;
    p->n = DHAT_POINTS;
    p->at[0] = p->bytes[0] = 0; // it began without a heap
    p->at[1] = one->peak_instructions;
    p->bytes[1] = one->bytes[CONFIRM_DHAT_PEAK];
    p->at[2] = one->end_instructions;
    p->bytes[2] = one->bytes[CONFIRM_DHAT_END];
}

static void read_dhat_files(struct making *m, struct confirm_sites *sites)
{
    struct confirm_picture *p = &m->c->dhat;
    struct confirm_dhat one;
    DIR *d = open_files(m);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        int fd = strncmp(e->d_name, "dhat.", 5) ? -1 : open_file(m, e->d_name);
        if (fd < 0)
            continue;
        sites->places = confirm_atlas_find(&sites->atlas, (pid_t)strtol(e->d_name + 5, NULL, 10));
        confirm_read_dhat(fd, sites, &one);
        close(fd);
        if (one.right)
            take_dhat(m, &one);
        else if (!p->reason)
            p->reason = report_strf(m->arena, "DHAT's file of a process cannot be read: %s", one.trouble);
    }
    if (d)
        closedir(d);
}

static void draw_dhat(struct making *m)
{
    struct confirm_picture *p = &m->c->dhat;
    struct confirm_sites sites = {0};
    p->at = report_alloc(m->arena, DHAT_POINTS, sizeof *p->at);
    p->bytes = report_alloc(m->arena, DHAT_POINTS, sizeof *p->bytes);
    if (!p->at || !p->bytes || !run_pass(m, "dhat", &sites, p))
        return;
    read_dhat_files(m, &sites);
    if (m->c->dhat_files > 0)
        take_paths(m, &sites);
    else if (!p->reason)
        p->reason = "DHAT left no file"; // it writes at the process's orderly end, and only then
    confirm_sites_free(&sites);
}

void confirm_draw_growth(struct making *m)
{
    if (m->c->with_massif)
        draw_massif(m);
    if (m->c->with_dhat)
        draw_dhat(m);
}
