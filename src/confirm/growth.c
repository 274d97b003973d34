// How the heap went under massif. See confirm.h.
#include "confirm/making.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MASSIF_MAX = 4096 };

// "time=", "mem_heap_B=" of the main process's file; whatever else stands there is passed over.
static void read_massif(struct making *m, const char *name)
{
    char line[512];
    double t = NAN;
    int fd = openat(m->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
    while (f && fgets(line, sizeof line, f) && m->c->n_massif < MASSIF_MAX) {
        if (!strncmp(line, "time=", 5))
            t = strtod(line + 5, NULL) / 1e3;
        if (strncmp(line, "mem_heap_B=", 11) || isnan(t))
            continue;
        m->c->massif_t_s[m->c->n_massif] = t;
        m->c->massif_bytes[m->c->n_massif++] = strtod(line + 11, NULL);
    }
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
}

static void find_massif(struct making *m)
{
    DIR *d = fdopendir(openat(m->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    char largest[300] = "";
    off_t size = 0;
    struct stat st;
    for (struct dirent *e; d && (e = readdir(d)) != NULL;)
        if (!strncmp(e->d_name, "massif.", 7) && fstatat(m->dir_fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            st.st_size > size) {
            snprintf(largest, sizeof largest, "%s", e->d_name);
            size = st.st_size;
        }
    if (d)
        closedir(d);
    if (largest[0])
        read_massif(m, largest);
}

void confirm_draw_growth(struct making *m)
{
    struct confirm_pass memcheck = m->pass;
    m->c->massif_t_s = report_alloc(m->arena, MASSIF_MAX, sizeof *m->c->massif_t_s);
    m->c->massif_bytes = report_alloc(m->arena, MASSIF_MAX, sizeof *m->c->massif_bytes);
    m->pass.tool = "massif";
    m->pass.sites = NULL;
    m->pass.word = NULL;
    m->pass.started = m->pass.ready = m->pass.ended_itself = false;
    if (!m->c->massif_t_s || !m->c->massif_bytes)
        return;
    confirm_pass_run(&m->pass);
    find_massif(m);
    if (m->c->n_massif == 0)
        m->c->massif_reason = report_strdup(m->arena, m->pass.word ? m->pass.why : "massif left no file");
    m->pass = memcheck;
}
