// What one user has of its own: see session.h.
#include "load/session.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum { VALUE_KEPT = 4096, FIRST_MAX = 1024 * 1024 }; // a larger value gives its memory back when it is forgotten

// ---- what they have in common ---------------------------------------------------------------------------------------

int session_plan_open(struct session_plan *p, const struct profile_load *load, int process, int processes,
                      struct seep_err *err)
{
    *p = (struct session_plan){.load = load};
    if (load->n_data && feed_open(load, process, processes, &p->feeds, err) < 0)
        return -1;
    size_t n = (size_t)load->n_variables;
    p->first = calloc(n + 1, sizeof *p->first);
    p->first_at = calloc(n + 1, sizeof *p->first_at);
    if (!p->first || !p->first_at)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the variables of the load %s.", load->name);
    for (size_t i = 0; i < n; i++) {
        const struct profile_pair *v = &load->variables[i];
        p->first_at[i] = template_slot(&p->names, v->key, strlen(v->key));
        if (p->first_at[i] < 0)
            return seep_fail(err, SEEP_E_LIMIT, "The load %s has too many variables.", load->name);
        if (template_open(v->value ? v->value : "", TEMPLATE_BODY, &p->names, p->feeds, &p->first[i], err) < 0)
            return -1;
    }
    return 0;
}

void session_plan_close(struct session_plan *p)
{
    for (int i = 0; p->first && i < p->load->n_variables; i++)
        template_close(p->first[i]);
    free(p->first);
    free(p->first_at);
    template_names_free(&p->names);
    feed_close(p->feeds);
    *p = (struct session_plan){0};
}

// ---- one of them ----------------------------------------------------------------------------------------------------

void session_open(struct session *s, const struct session_plan *plan, uint64_t id)
{
    *s = (struct session){.plan = plan, .id = id};
    request_room_open(&s->room_of_request);
}

void session_close(struct session *s)
{
    for (int i = 0; s->memory && i < s->plan->names.n; i++)
        free(s->memory[i].text);
    free(s->value);
    free(s->memory);
    free(s->row);
    cookies_free(&s->cookies);
    request_room_close(&s->room_of_request);
    *s = (struct session){.plan = s->plan, .id = s->id};
}

static bool make_values(struct session *s)
{
    size_t n = (size_t)s->plan->names.n;
    if (!s->value)
        s->value = calloc(n, sizeof *s->value);
    if (!s->memory)
        s->memory = calloc(n, sizeof *s->memory);
    return s->value && s->memory;
}

int session_set(struct session *s, int place, const char *text, size_t len)
{
    if (!make_values(s))
        return -1;
    struct session_room *m = &s->memory[place];
    s->value[place] = (struct load_text){0};
    if (m->size < len + 1) {
        char *more = realloc(m->text, len + 1);
        if (!more)
            return -1;
        *m = (struct session_room){more, len + 1};
    }
    if (len)
        memcpy(m->text, text, len);
    m->text[len] = 0;
    s->value[place] = (struct load_text){m->text, len};
    return 0;
}

static void forget(struct session *s, int place)
{
    s->value[place] = (struct load_text){0};
    if (s->memory[place].size > VALUE_KEPT) {
        free(s->memory[place].text);
        s->memory[place] = (struct session_room){0};
    }
}

void session_reset(struct session *s, const struct session *from)
{
    s->begun = s->set_up = false;
    cookies_clear(&s->cookies);
    for (int i = 0; s->value && s->memory && i < s->plan->names.n; i++)
        forget(s, i);
    for (int i = 0; from && from->value && i < s->plan->names.n; i++) {
        if (from->value[i].text)
            session_set(s, i, from->value[i].text, from->value[i].len);
    }
}

struct template_scope session_scope(const struct session *s, struct load_rng *rng)
{
    return (struct template_scope){.user = s->value,
                                   .user_id = s->id,
                                   .iteration = s->iteration,
                                   .feeds = s->plan->feeds,
                                   .row = s->row,
                                   .rng = rng,
                                   .now_ms = clock_read().real_ns / 1000000};
}

// The load's own variables, in the order of the profile: later ones may use earlier ones.
static bool first_values(struct session *s, struct load_rng *rng, const char **why)
{
    struct seep_buf text;
    buf_init(&text, FIRST_MAX);
    bool ok = make_values(s);
    *why = "there is no memory for a variable";
    for (int i = 0; ok && i < s->plan->load->n_variables; i++) {
        struct template_scope scope = session_scope(s, rng);
        buf_clear(&text);
        ok = template_render(s->plan->first[i], &scope, &text, NULL) == TEMPLATE_DONE;
        if (!ok)
            *why = "a variable of the load cannot be put together";
        else
            ok = session_set(s, s->plan->first_at[i], text.data ? text.data : "", text.len) == 0;
    }
    buf_free(&text);
    return ok;
}

static bool take_rows(struct session *s, struct load_rng *rng)
{
    int n = feed_count(s->plan->feeds);
    if (n == 0)
        return true;
    if (!s->row)
        s->row = calloc((size_t)n, sizeof *s->row);
    for (int i = 0; s->row && i < n; i++)
        s->row[i] = feed_take(s->plan->feeds, i, s->id ? s->id : 1, rng);
    return s->row;
}

int session_begin(struct session *s, const struct session *from, uint64_t iteration, struct load_rng *rng,
                  const char **why)
{
    s->iteration = iteration;
    if (s->begun && !profile_load_keeps_sessions(s->plan->load))
        session_reset(s, from);
    if (!take_rows(s, rng)) {
        *why = "there is no memory for rows of data";
        return -1;
    }
    if (s->plan->names.n && !make_values(s)) {
        *why = "there is no memory for its variables";
        return -1;
    }
    if (!s->begun && s->plan->load->n_variables && !first_values(s, rng, why))
        return -1;
    s->begun = true;
    return 0;
}
