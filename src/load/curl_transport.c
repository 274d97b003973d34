// The transport over libcurl: HTTP/1.1 and HTTP/2, TLS, unix sockets. See transport.h.
//
// Handles are pooled: one that was used for a spec keeps its options, so that a constant request sets none. There are
// never more of them than exchanges at once.
#include "base/check.h"
#include "base/clock.h"
#include "load/curl_call.h"
#include "load/curl_loop.h"

#include <stdlib.h>

struct curl_transport {
    struct transport base;
    struct transport_setup setup;
    struct curl_loop loop;
    struct curl_plan *plans;
    struct curl_call *unprepared; // free, with the options of no plan
    int n_calls;
};

static struct curl_transport *of(const struct transport *t)
{
    return (struct curl_transport *)(uintptr_t)t;
}

static bool takes(const struct exchange_spec *spec, const struct transport_setup *setup)
{
    (void)setup;
    return spec->protocol != EXCHANGE_RAW;
}

static long streams_of(const struct curl_transport *t)
{
    return t->setup.streams;
}

static int open_transport(const struct transport_setup *setup, struct transport **out, struct seep_err *err)
{
    struct curl_transport *t = calloc(1, sizeof *t);
    if (!t)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for the load's connections.");
    t->base.ops = &transport_curl;
    t->setup = *setup;
    if (curl_loop_open(&t->loop, setup->loop, setup->connections, streams_of(t), err) < 0) {
        free(t);
        return -1;
    }
    *out = &t->base;
    return 0;
}

static struct curl_call *call_make(struct curl_transport *t)
{
    struct curl_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->easy = curl_easy_init();
    if (!call->easy) {
        free(call);
        return NULL;
    }
    t->n_calls++;
    return call;
}

static struct curl_call *call_from(struct curl_call **list)
{
    struct curl_call *call = *list;
    if (call)
        *list = call->next;
    return call;
}

// A free handle, preferably one that has this plan's options already.
static struct curl_call *call_take(struct curl_transport *t, struct curl_plan *plan)
{
    struct curl_call *call = call_from(&plan->free);
    if (!call)
        call = call_from(&t->unprepared);
    if (!call && t->n_calls < t->setup.connections)
        call = call_make(t);
    for (struct curl_plan *p = t->plans; !call && p; p = p->next)
        call = call_from(&p->free);
    return call ? call : call_make(t);
}

static void call_give(struct curl_transport *t, struct curl_call *call)
{
    curl_call_release(call);
    struct curl_call **list = call->plan ? &call->plan->free : &t->unprepared;
    call->next = *list;
    *list = call;
}

static int call_options(struct curl_transport *t, struct curl_call *call, struct curl_plan *plan, struct seep_err *err)
{
    if (call->plan == plan)
        return 0;
    if (curl_call_prepare(call, plan, streams_of(t), err) < 0)
        return -1;
    if (curl_loop_attach(&t->loop, call->easy) == 0)
        return 0;
    call->plan = NULL;
    return seep_fail(err, SEEP_E_UNSUPPORTED, "libcurl does not let its sockets be watched.");
}

// The options are tried at once, so that what this libcurl cannot do is said before the load begins.
static int prepare(struct transport *base, struct exchange_spec *spec, struct seep_err *err)
{
    struct curl_transport *t = of(base);
    struct curl_plan *plan = curl_plan_make(spec, err);
    if (!plan)
        return -1;
    plan->next = t->plans;
    t->plans = plan;
    spec->own = plan;
    struct curl_call *call = call_take(t, plan);
    if (!call)
        return seep_fail(err, SEEP_E_SYSTEM, "libcurl could not be started: no memory.");
    int failed = call_options(t, call, plan, err);
    call_give(t, call);
    return failed;
}

// A user's own connections live in a share of curl's.
static int home_make(struct transport_home *home)
{
    CURLSH *share = curl_share_init();
    if (share && curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        curl_share_cleanup(share);
        share = NULL;
    }
    home->own = share;
    return share ? 0 : -1;
}

static int start(struct transport *base, struct exchange *x)
{
    struct curl_transport *t = of(base);
    struct curl_plan *plan = x->spec->own;
    if (x->home && !x->home->own && home_make(x->home) < 0)
        return -1;
    struct curl_call *call = call_take(t, plan);
    if (!call)
        return -1;
    if (call_options(t, call, plan, NULL) < 0 || curl_call_aim(call, x) < 0 ||
        curl_multi_add_handle(t->loop.multi, call->easy) != CURLM_OK) {
        call_give(t, call);
        return -1;
    }
    x->own = call;
    return 0;
}

static void cancel(struct transport *base, struct exchange *x)
{
    struct curl_transport *t = of(base);
    struct curl_call *call = x->own;
    curl_multi_remove_handle(t->loop.multi, call->easy);
    x->own = NULL;
    call_give(t, call);
}

static bool reap(struct curl_transport *t)
{
    bool any = false;
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(t->loop.multi, &left)) != NULL; any = true) {
        char *private;
        SEEP_CHECK(m->msg == CURLMSG_DONE && curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &private) == CURLE_OK);
        struct curl_call *call = (struct curl_call *)(void *)private;
        struct exchange *x = call->x;
        enum exchange_end end = curl_call_end(call, m->data.result);
        curl_multi_remove_handle(t->loop.multi, call->easy);
        x->own = NULL;
        call_give(t, call);
        t->setup.done(x, end, clock_mono_ns());
    }
    return any;
}

static bool turn(struct transport *base, int64_t now_ns)
{
    struct curl_transport *t = of(base);
    bool any = curl_loop_timeout(&t->loop, now_ns);
    return reap(t) || any;
}

static int64_t next_ns(const struct transport *base)
{
    return of(base)->loop.due_ns;
}

static void leave(struct transport *base, struct transport_home *home)
{
    (void)base;
    if (home->own) // no handle holds on to it: see curl_call_release()
        SEEP_CHECK(curl_share_cleanup(home->own) == CURLSHE_OK);
    home->own = NULL;
}

static void counters(const struct transport *base, struct transport_counters *out)
{
    *out = (struct transport_counters){.connections = of(base)->loop.opened};
}

static void restart(struct transport *base)
{
    curl_loop_restart(&of(base)->loop);
}

static void calls_free(struct curl_call *list)
{
    for (struct curl_call *next; list; list = next) {
        next = list->next;
        curl_call_free(list);
    }
}

static void close_transport(struct transport *base)
{
    struct curl_transport *t = of(base);
    calls_free(t->unprepared);
    for (struct curl_plan *p = t->plans; p; p = p->next)
        calls_free(p->free);
    for (struct curl_plan *next; t->plans; t->plans = next) {
        next = t->plans->next;
        curl_plan_free(t->plans);
    }
    curl_loop_close(&t->loop);
    free(t);
}

const struct transport_ops transport_curl = {
    .name = "curl",
    .takes = takes,
    .open = open_transport,
    .prepare = prepare,
    .start = start,
    .cancel = cancel,
    .turn = turn,
    .next_ns = next_ns,
    .leave = leave,
    .counters = counters,
    .restart = restart,
    .close = close_transport,
};
