// A load, compiled: see plan.h.
#include "load/plan.h"
#include "load/reply_head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

// ---- steps ----------------------------------------------------------------------------------------------------------

struct reader { // what compiling needs all the time
    struct load_plan *p;
    const struct load_tally *tally;
    int index; // of the load
    struct seep_err *err;
};

static enum exchange_protocol protocol_of(const struct profile_load *load, const struct profile_step *step)
{
    if (step->tcp.present)
        return EXCHANGE_RAW;
    return load->http == PROFILE_HTTP_2 ? EXCHANGE_HTTP2 : EXCHANGE_HTTP1;
}

static double timeout_s(const struct profile_load *load, const struct profile_step *step)
{
    double own_s = step->tcp.present ? step->tcp.timeout_s : step->request.timeout_s;
    return own_s > 0 ? own_s : load->timeout_s;
}

static int read_values(const struct reader *r, struct step_plan *s)
{
    int n = s->step->n_extract;
    s->value = calloc((size_t)n + 1, sizeof *s->value);
    if (!s->value)
        return seep_fail(r->err, SEEP_E_SYSTEM, "There is no memory for the values of the step %s.", s->step->name);
    for (int i = 0; i < n; i++) {
        const struct profile_extract *x = &s->step->extract[i];
        struct value_plan *v = &s->value[i];
        v->place = template_slot(&r->p->sessions.names, x->name, strlen(x->name));
        if (v->place < 0)
            return seep_fail(r->err, SEEP_E_LIMIT, "The load %s has too many variables.", r->p->load->name);
        if (extract_open(x, &v->extract, r->err) < 0)
            return -1;
        if (x->fallback && template_open(x->fallback, TEMPLATE_BODY, &r->p->sessions.names, r->p->sessions.feeds,
                                         &v->fallback, r->err) < 0)
            return -1;
    }
    return 0;
}

static int read_measures(const struct reader *r, struct step_plan *s)
{
    s->measure = calloc((size_t)r->p->measures.n + 1, sizeof *s->measure);
    if (!s->measure)
        return seep_fail(r->err, SEEP_E_SYSTEM, "There is no memory for the metrics of the step %s.", s->step->name);
    for (int i = 0; s->scenario && i < r->p->measures.n; i++) {
        if (measure_is_of(&r->p->measures.row[i], s->scenario, s->step))
            s->measure[s->n_measures++] = &r->p->measures.row[i];
    }
    return 0;
}

static bool wants_head(const struct step_plan *s)
{
    bool wanted = check_wants_head(s->check);
    for (int i = 0; i < s->step->n_extract; i++)
        wanted = wanted || extract_wants_head(s->value[i].extract);
    for (int i = 0; i < s->n_measures; i++)
        wanted = wanted || measure_wants_head(s->measure[i]);
    return wanted;
}

static bool wants_body(const struct step_plan *s)
{
    bool wanted = check_wants_body(s->check);
    for (int i = 0; i < s->step->n_extract; i++)
        wanted = wanted || extract_wants_body(s->value[i].extract);
    for (int i = 0; i < s->n_measures; i++)
        wanted = wanted || measure_wants_body(s->measure[i]);
    return wanted;
}

static bool asks_for_encoding(const struct request_words *w)
{
    for (int i = 0; i < w->n_headers; i++) {
        if (strcasecmp(w->header[i].name, "Accept-Encoding") == 0)
            return true;
    }
    return false;
}

static void read_spec(const struct profile_load *load, struct step_plan *s, const struct exchange_origin *origin)
{
    const struct profile_step *step = s->step;
    bool body = wants_body(s), head = load->cookies || load->follow != FOLLOW_OFF || wants_head(s);
    s->spec = (struct exchange_spec){
        .name = step->name,
        .protocol = protocol_of(load, step),
        .origin = origin,
        .tls = {.insecure = load->tls.insecure, .ca = load->tls.ca, .cert = load->tls.cert, .key = load->tls.key},
        .raw = step->tcp.present ? &step->tcp : NULL,
        .timeout_ns = (int64_t)(timeout_s(load, step) * 1e9),
        .connect_timeout_ns = (int64_t)(load->connect_timeout_s * 1e9),
        .body_max = (uint64_t)load->body_max_bytes,
        .keep_head = head && !step->tcp.present ? PLAN_HEAD_KEPT : 0,
        .keep_body = body ? (size_t)load->body_kept_bytes : 0,
        .decode = body && asks_for_encoding(&s->words),
        .fresh = load->connection == CONNECTION_FRESH,
    };
}

static int read_step(const struct reader *r, const struct profile_step *step, struct step_plan *s)
{
    struct load_plan *p = r->p;
    const struct exchange_origin *origin = NULL;
    s->step = step;
    s->plan = p;
    s->series = s->transaction = -1;
    request_room_open(&s->room);
    if (request_words_open(&s->words, p->load, step, &p->origins, &p->sessions.names, p->sessions.feeds, &origin,
                           r->err) < 0 ||
        check_open(&step->expect, &p->sessions.names, p->sessions.feeds, &s->check, r->err) < 0 ||
        read_values(r, s) < 0 || read_measures(r, s) < 0)
        return -1;
    read_spec(p->load, s, origin);
    p->needs_sessions = p->needs_sessions || !s->words.constant || step->n_extract > 0;
    return 0;
}

// out->n tells how many of the steps may have to be freed, after an error too.
static int read_steps(const struct reader *r, const struct profile_step *step, int n, const char *part,
                      const char *scenario, struct steps_plan *out)
{
    out->step = calloc((size_t)n + 1, sizeof *out->step);
    if (!out->step)
        return seep_fail(r->err, SEEP_E_SYSTEM, "There is no memory for %d steps.", n);
    for (; out->n < n; out->n++) {
        struct step_plan *s = &out->step[out->n];
        s->part = part;
        s->scenario = scenario;
        if (read_step(r, &step[out->n], s) < 0) {
            out->n++;
            return -1;
        }
    }
    return 0;
}

static void steps_free(struct steps_plan *steps)
{
    for (int i = 0; i < steps->n; i++) {
        struct step_plan *s = &steps->step[i];
        request_words_close(&s->words);
        request_room_close(&s->room);
        check_close(s->check);
        for (int v = 0; s->value && v < s->step->n_extract; v++) {
            extract_close(s->value[v].extract);
            template_close(s->value[v].fallback);
        }
        free(s->value);
        free(s->measure);
    }
    free(steps->step);
    *steps = (struct steps_plan){0};
}

// ---- the whole ------------------------------------------------------------------------------------------------------

static bool pauses(const struct steps_plan *steps)
{
    for (int i = 0; i < steps->n - 1; i++) {
        if (steps->step[i].step->think.kind != THINK_NONE)
            return true;
    }
    return false;
}

static int read_scenario(const struct reader *r, int index)
{
    const struct profile_scenario *scenario = &r->p->load->scenarios[index];
    struct scenario_plan *out = &r->p->scenario[index];
    out->scenario = scenario;
    out->series = load_series_of_scenario(r->tally->series, r->index, index);
    if (read_steps(r, scenario->steps, scenario->n_steps, "scenario", scenario->name, &out->steps) < 0)
        return -1;
    for (int i = 0; i < out->steps.n; i++) {
        struct step_plan *s = &out->steps.step[i];
        s->series = load_series_of_step(r->tally->series, r->index, index, i);
        if (s->step->transaction)
            s->transaction = load_series_of_transaction(r->tally->series, r->index, index, s->step->transaction);
    }
    r->p->pauses = r->p->pauses || pauses(&out->steps);
    return 0;
}

static int read_all(const struct reader *r)
{
    struct load_plan *p = r->p;
    const struct profile_load *l = p->load;
    if (read_steps(r, l->setup, l->n_setup, "setup", NULL, &p->setup) < 0 ||
        read_steps(r, l->user_setup, l->n_user_setup, "user setup", NULL, &p->user_setup) < 0 ||
        read_steps(r, l->teardown, l->n_teardown, "teardown", NULL, &p->teardown) < 0)
        return -1;
    for (int i = 0; i < l->n_scenarios; i++) {
        if (read_scenario(r, i) < 0)
            return -1;
    }
    return 0;
}

int plan_read(struct load_plan *p, const struct profile *profile, int index, const struct load_tally *tally,
              int process, int processes, struct seep_err *err)
{
    const struct profile_load *l = &profile->loads[index];
    *p = (struct load_plan){.load = l};
    buf_init(&p->value_text, (size_t)l->body_kept_bytes + 1);
    buf_init(&p->check_room.wanted, REQUEST_TEXT_MAX);
    buf_init(&p->check_room.found, REQUEST_TEXT_MAX);
    p->scenario = calloc((size_t)l->n_scenarios + 1, sizeof *p->scenario);
    if (!p->scenario)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d scenarios.", l->n_scenarios);
    struct reader r = {.p = p, .tally = tally, .index = index, .err = err};
    if (session_plan_open(&p->sessions, l, process, processes, err) < 0 ||
        measure_open(l, index, tally->metrics, &p->sessions.names, p->sessions.feeds, &p->measures, err) < 0 ||
        read_all(&r) < 0)
        return -1;
    p->needs_sessions = p->needs_sessions || l->cookies || l->follow != FOLLOW_OFF || l->n_user_setup > 0 ||
                        l->connection == CONNECTION_PER_USER;
    p->breaker = calloc((size_t)p->origins.n + 1, sizeof *p->breaker);
    return p->breaker ? 0 : seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d addresses.", p->origins.n);
}

void plan_free(struct load_plan *p)
{
    for (int i = 0; p->scenario && i < p->load->n_scenarios; i++)
        steps_free(&p->scenario[i].steps);
    free(p->scenario);
    steps_free(&p->setup);
    steps_free(&p->user_setup);
    steps_free(&p->teardown);
    measure_close(&p->measures);
    if (p->load)
        session_plan_close(&p->sessions);
    origin_free(&p->origins);
    free(p->breaker);
    buf_free(&p->value_text);
    buf_free(&p->check_room.wanted);
    buf_free(&p->check_room.found);
    *p = (struct load_plan){0};
}

// ---- transports -----------------------------------------------------------------------------------------------------

// The instance of that kind, made when the first step wants it; its index, or -1.
static int transport_of(struct load_plan *p, const struct transport_ops *kind, const struct transport_setup *setup,
                        struct seep_err *err)
{
    for (int i = 0; i < p->n_transports; i++) {
        if (p->transport[i]->ops == kind)
            return i;
    }
    if (p->n_transports == PLAN_TRANSPORTS_MAX)
        return seep_fail(err, SEEP_E_LIMIT, "The load %s needs more than %d kinds of connections.", p->load->name,
                         PLAN_TRANSPORTS_MAX);
    if (kind->open(setup, &p->transport[p->n_transports], err) < 0)
        return -1;
    return p->n_transports++;
}

// A request that is the same every time is written once, here. Cookies would make it another.
static int write_constant(struct load_plan *p, struct step_plan *s, bool wants_wire, struct seep_err *err)
{
    char why[160];
    const struct template_scope none = {0};
    if (!s->words.constant || (p->load->cookies && !s->words.own_cookie && s->words.http))
        return 0;
    s->spec.constant = request_write(&s->words, s->spec.origin, &none, NULL, wants_wire, &s->room, why, sizeof why);
    return s->spec.constant
               ? 0
               : seep_fail(err, SEEP_E_USAGE, "The request of the step %s cannot be written: %s.", s->step->name, why);
}

static const struct transport_ops *kind_of(const struct step_plan *s, const struct transport_setup *setup,
                                           struct seep_err *err)
{
    struct transport_setup any = *setup;
    if (s->spec.protocol == EXCHANGE_RAW) // there is but one that can
        any.only = NULL;
    const struct transport_ops *kind = transport_for(&s->spec, &any);
    if (!kind)
        seep_fail(err, SEEP_E_UNSUPPORTED, "There is no way to send the request of the step %s%s.", s->step->name,
                  any.only ? " by the engine that the load names" : "");
    return kind;
}

static int connect_step(struct load_plan *p, struct step_plan *s, const struct transport_setup *setup,
                        struct seep_err *err)
{
    const struct transport_ops *kind = kind_of(s, setup, err);
    s->transport_index = kind ? transport_of(p, kind, setup, err) : -1;
    if (s->transport_index < 0 || write_constant(p, s, kind->wants_wire, err) < 0)
        return -1;
    s->transport = p->transport[s->transport_index];
    return kind->prepare(s->transport, &s->spec, err);
}

static int of_steps(struct load_plan *p, struct steps_plan *steps, const struct transport_setup *setup,
                    int (*act)(struct load_plan *, struct step_plan *, const struct transport_setup *,
                               struct seep_err *),
                    struct seep_err *err)
{
    for (int i = 0; i < steps->n; i++) {
        if (act(p, &steps->step[i], setup, err) < 0)
            return -1;
    }
    return 0;
}

static int of_all_steps(struct load_plan *p, const struct transport_setup *setup,
                        int (*act)(struct load_plan *, struct step_plan *, const struct transport_setup *,
                                   struct seep_err *),
                        struct seep_err *err)
{
    for (int i = 0; i < p->load->n_scenarios; i++) {
        if (of_steps(p, &p->scenario[i].steps, setup, act, err) < 0)
            return -1;
    }
    return of_steps(p, &p->setup, setup, act, err) < 0 || of_steps(p, &p->user_setup, setup, act, err) < 0 ||
                   of_steps(p, &p->teardown, setup, act, err) < 0
               ? -1
               : 0;
}

struct transport_setup plan_setup(const struct profile_load *l)
{
    struct transport_setup setup = {.connections = 1, .streams = l->http == PROFILE_HTTP_2 ? l->streams : 0};
    if (l->engine != PROFILE_ENGINE_AUTO)
        setup.only = (l->engine == PROFILE_ENGINE_OWN ? &transport_net : &transport_curl)->name;
    return setup;
}

int plan_connect(struct load_plan *p, const struct transport_setup *setup, struct seep_err *err)
{
    return of_all_steps(p, setup, connect_step, err);
}

static int try_step(struct load_plan *p, struct step_plan *s, const struct transport_setup *setup, struct seep_err *err)
{
    const struct transport_ops *kind = kind_of(s, setup, err);
    return kind ? write_constant(p, s, kind->wants_wire, err) : -1;
}

int plan_try(struct load_plan *p, struct seep_err *err)
{
    const struct transport_setup setup = plan_setup(p->load);
    return of_all_steps(p, &setup, try_step, err);
}

void plan_disconnect(struct load_plan *p)
{
    for (int i = 0; i < p->n_transports; i++)
        p->transport[i]->ops->close(p->transport[i]);
    p->n_transports = 0;
}

bool plan_turn(struct load_plan *p, int64_t now_ns)
{
    bool any = false;
    for (int i = 0; i < p->n_transports; i++)
        any = p->transport[i]->ops->turn(p->transport[i], now_ns) || any;
    return any;
}

int64_t plan_next_ns(const struct load_plan *p)
{
    int64_t first_ns = INT64_MAX;
    for (int i = 0; i < p->n_transports; i++) {
        int64_t at_ns = p->transport[i]->ops->next_ns(p->transport[i]);
        first_ns = at_ns < first_ns ? at_ns : first_ns;
    }
    return first_ns;
}

void plan_counters(const struct load_plan *p, struct transport_counters *sum)
{
    for (int i = 0; i < p->n_transports; i++) {
        struct transport_counters c = {0};
        p->transport[i]->ops->counters(p->transport[i], &c);
        sum->connections += c.connections;
        sum->retried += c.retried;
    }
}

void plan_restart(struct load_plan *p)
{
    for (int i = 0; i < p->n_transports; i++)
        p->transport[i]->ops->restart(p->transport[i]);
}

void plan_leave(struct load_plan *p, struct session *s)
{
    for (int i = 0; i < p->n_transports; i++)
        p->transport[i]->ops->leave(p->transport[i], &s->home[i]);
}

struct transport_home *plan_home(const struct step_plan *s, struct session *session)
{
    bool own = session && s->plan->load->connection == CONNECTION_PER_USER;
    return own ? &session->home[s->transport_index] : NULL;
}

// ---- exchanges ------------------------------------------------------------------------------------------------------

const struct exchange_request *plan_request(const struct step_plan *s, struct session *session, struct load_rng *rng,
                                            char *why, size_t size)
{
    struct template_scope scope = session_scope(session, rng);
    const struct cookie_jar *jar = s->plan->load->cookies ? &session->cookies : NULL;
    return request_write(&s->words, s->spec.origin, &scope, jar, s->transport->ops->wants_wire,
                         &session->room_of_request, why, size);
}

static bool location_of(const struct exchange_reply *reply, char *out, size_t size)
{
    struct load_text head = {reply->head, reply->head_len}, value;
    size_t from = 0;
    if (!reply->head || !reply_head_next(head, "Location", &from, &value) || value.len == 0 || value.len >= size)
        return false;
    memcpy(out, value.text, value.len);
    out[value.len] = 0;
    return !memchr(out, 0, value.len);
}

// RFC 9110, 15.4: 303 becomes a GET, and so does what user agents have always made one of.
static bool rewrites(int status, const char *method)
{
    return status == 303 || ((status == 301 || status == 302) && strcmp(method, "POST") == 0);
}

enum plan_redirect plan_redirect(const struct step_plan *s, struct session *session, const struct exchange *x,
                                 const struct exchange_request **request)
{
    char location[8192], target[8192];
    const struct exchange_origin *origin = NULL;
    if (!location_of(&x->reply, location, sizeof location))
        return PLAN_REDIRECT_NONE;
    enum origin_found found =
        origin_resolve(&s->plan->origins, x->origin, x->request->target, location, &origin, target, sizeof target);
    if (found != ORIGIN_FOUND || origin != x->origin)
        return PLAN_REDIRECT_ELSEWHERE;
    const struct cookie_jar *jar = s->plan->load->cookies && !s->words.own_cookie ? &session->cookies : NULL;
    *request = request_redirect(x->request, rewrites(x->reply.status, x->request->method), origin, target, jar,
                                s->transport->ops->wants_wire, &session->room_of_request);
    return *request ? PLAN_REDIRECT_FOLLOW : PLAN_REDIRECT_NONE;
}

bool plan_extract(struct step_plan *s, struct session *session, const struct exchange_reply *reply,
                  struct load_rng *rng, const char **name)
{
    struct seep_buf *text = &s->plan->value_text;
    for (int i = 0; i < s->step->n_extract; i++) {
        const struct value_plan *v = &s->value[i];
        bool found = extract_text(v->extract, reply, text);
        if (!found && v->fallback) {
            struct template_scope scope = session_scope(session, rng);
            buf_clear(text);
            found = template_render(v->fallback, &scope, text, NULL) == TEMPLATE_DONE;
        }
        if (!found || session_set(session, v->place, text->data ? text->data : "", text->len) < 0) {
            *name = s->step->extract[i].name;
            return false;
        }
    }
    return true;
}
