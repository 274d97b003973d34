// Runs of one kind, oldest first: see history.h. Each run's report is built without stacks and charts and freed at
// once.
#include "cmd/history.h"
#include "base/fs.h"
#include "cmd/command.h"
#include "cmd/report_run.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

struct list {
    struct report **items;
    size_t n, room;
};

static const char *program_of(const struct report *r)
{
    const char *exe = r->target.exe != NULL ? r->target.exe : r->target.argc > 0 ? r->target.argv[0] : "";
    const char *slash = strrchr(exe, '/');
    return slash == NULL ? exe : slash + 1;
}

static bool same_kind(const struct report *a, const struct report *b)
{
    return strcmp(a->profile_name, b->profile_name) == 0 && strcmp(program_of(a), program_of(b)) == 0;
}

static int by_start(const void *a, const void *b)
{
    int64_t x = (*(struct report *const *)a)->started_ns, y = (*(struct report *const *)b)->started_ns;
    return (x > y) - (x < y);
}

static int take(struct list *l, struct report *r, struct seep_err *err)
{
    if (l->n == l->room) {
        size_t room = l->room == 0 ? 64 : 2 * l->room;
        struct report **items = realloc(l->items, room * sizeof *items);
        if (items == NULL) {
            report_free(r);
            return seep_fail(err, SEEP_E_SYSTEM, "memory ran out");
        }
        l->items = items;
        l->room = room;
    }
    l->items[l->n++] = r;
    return 0;
}

static int read_all(const char *results, const struct report *like, const struct report_options *what, struct list *l,
                    struct seep_err *err)
{
    DIR *d = opendir(cmd_results_dir(results));
    int failed = 0;
    struct dirent *entry;
    while (!failed && d != NULL && (entry = readdir(d)) != NULL) {
        struct report *r = NULL;
        if (!fs_name_ok(entry->d_name) || cmd_build_report_with(results, entry->d_name, what, &r, NULL) != 0)
            continue;
        if (!r->live && same_kind(r, like) && r->started_ns <= like->started_ns)
            failed = take(l, r, err);
        else
            report_free(r);
    }
    if (d != NULL)
        closedir(d);
    return failed;
}

int cmd_collect_history(const char *results, const char *word, struct history *h, struct seep_err *err)
{
    const struct report_options what = {.skip = REPORT_SKIP_STACKS | REPORT_SKIP_CHARTS | REPORT_SKIP_FRAMES};
    struct report *like = NULL;
    struct list l = {0};
    if (cmd_build_report_with(results, word, &what, &like, err) != 0)
        return -1;
    int failed = read_all(results, like, &what, &l, err);
    if (!failed && l.n)
        qsort(l.items, l.n, sizeof *l.items, by_start);
    for (size_t i = l.n > h->room ? l.n - h->room : 0; !failed && i < l.n; i++)
        failed = history_add(h, l.items[i], err);
    for (size_t i = 0; i < l.n; i++)
        report_free(l.items[i]);
    free(l.items);
    report_free(like);
    return failed;
}
