// What must hold in the steps of a load: requests, what is expected of replies, what is taken from them. See schema.h.
#include "profile/hosts.h"
#include "profile/runtext.h"
#include "profile/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

static int check_texts(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                       char *const *texts, int n_texts)
{
    for (int i = 0; i < n_texts; i++) {
        if (!*texts[i])
            return node_fail(ctx->err, node_item(n, i), "This text is empty, which everything holds.");
        if (check_runtext(ctx, l, node_item(n, i), texts[i]))
            return -1;
    }
    return 0;
}

static int check_optional(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                          const char *key, const char *text)
{
    return text ? check_runtext(ctx, l, node_under(n, key), text) : 0;
}

int check_headers(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                  const struct profile_pair *headers, int n_headers)
{
    for (int i = 0; i < n_headers; i++) {
        const struct node *value = node_under(n, headers[i].key);
        if (!check_is_token(headers[i].key))
            return node_fail(ctx->err, n, "'%.40s' cannot be the name of a header.", headers[i].key);
        if (strpbrk(headers[i].value, "\r\n"))
            return node_fail(ctx->err, n, "The header '%.40s' has a line break in its value.", headers[i].key);
        if (check_runtext(ctx, l, value, headers[i].value))
            return -1;
    }
    return 0;
}

int check_unix(const struct load_context *ctx, const struct node *n, const char *path)
{
    if (path && strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return node_fail(ctx->err, n, "The path of a unix socket is at most %zu bytes long.",
                         sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    return 0;
}

static int check_url(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                     const char *url)
{
    struct seep_err why = {0};
    struct profile_host host;
    bool open = ctx->keep_unknown_vars && !strncmp(url, "${", 2); // a profile that is shown before its url is known
    if (!open && strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0 && strncmp(url, "${env:", 6) != 0)
        return node_fail(ctx->err, n, "The url of a request begins with http:// or https://, not '%.60s'.", url);
    const char *rest = url;
    struct runtext_part part;
    while (runtext_next(url, &rest, &part, NULL) > 0) {
        if (part.filter == RUNTEXT_AS_JSON)
            return node_fail(ctx->err, n, "|json belongs to a body; in a url write |url.");
        if (part.kind == RUNTEXT_LITERAL && strcspn(part.text, " \t\r\n") < part.len)
            return node_fail(ctx->err, n, "There is white space in the url '%.60s'; write %%20.", url);
    }
    if (check_runtext(ctx, l, n, url))
        return -1;
    if (!open && profile_url_host(url, &host, &why))
        return node_fail(ctx->err, n, "%s", why.text);
    return 0;
}

static int check_request(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                         struct profile_request *r)
{
    const struct node *url = n->kind == NODE_MAP ? node_under(n, "url") : n;
    for (char *c = r->method; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    if (check_url(ctx, l, n->kind == NODE_MAP && !node_given(n, "url") ? n : url, r->url) ||
        check_headers(ctx, l, node_under(n, "headers") == n ? n : node_under(n, "headers"), r->headers, r->n_headers) ||
        check_optional(ctx, l, n, "body", r->body) || check_unix(ctx, node_under(n, "unix"), r->unix_path))
        return -1;
    if (r->body && r->body_file)
        return node_fail(ctx->err, node_under(n, "body_file"), "A request has a body or a body_file, not both.");
    if (!r->unix_path)
        r->unix_path = l->unix_path;
    if (r->timeout_s == PROFILE_AUTO)
        r->timeout_s = l->timeout_s;
    return 0;
}

static int check_framing(const struct load_context *ctx, const struct node *n, const struct profile_tcp *t)
{
    if (t->command && t->framing != FRAMING_RESP)
        return node_fail(ctx->err, node_under(n, "framing"),
                         "A command is sent as Redis does, which has the framing resp.");
    if ((t->framing == FRAMING_UNTIL) != (t->until && *t->until))
        return node_fail(ctx->err, node_under(n, "until"), "until: says which bytes end a reply, with framing: until.");
    if ((t->framing == FRAMING_LENGTH) != (t->length_bytes > 0))
        return node_fail(ctx->err, node_under(n, "length"), "length: says how long a reply is, with framing: length.");
    if (t->prefix_bytes != 1 && t->prefix_bytes != 2 && t->prefix_bytes != 4 && t->prefix_bytes != 8)
        return node_fail(ctx->err, node_under(n, "prefix"), "A prefix has 1, 2, 4 or 8 bytes.");
    const char *const only_prefixed[] = {"prefix", "prefix_little", "prefix_counts_all"};
    for (int i = 0; i < 3 && t->framing != FRAMING_PREFIXED; i++)
        if (node_given(n, only_prefixed[i]))
            return node_fail(ctx->err, node_under(n, only_prefixed[i]), "%s belongs to framing: prefixed.",
                             only_prefixed[i]);
    return 0;
}

static int check_tcp(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                     struct profile_tcp *t)
{
    struct seep_err why = {0};
    struct profile_host host;
    bool open = ctx->keep_unknown_vars && strstr(t->address, "${");
    if (!open && profile_address_host(t->address, &host, &why))
        return node_fail(ctx->err, node_under(n, "address"), "%s", why.text);
    if (!t->send == !t->command)
        return node_fail(ctx->err, n, "A raw request has either send or command.");
    if (t->command && !node_given(n, "framing"))
        t->framing = FRAMING_RESP;
    if (t->timeout_s == PROFILE_AUTO)
        t->timeout_s = l->timeout_s;
    if (check_framing(ctx, n, t) || check_optional(ctx, l, n, "send", t->send) ||
        check_optional(ctx, l, n, "until", t->until))
        return -1;
    for (int i = 0; i < t->n_command; i++)
        if (check_runtext(ctx, l, node_item(node_under(n, "command"), i), t->command[i]))
            return -1;
    return 0;
}

static int check_header_check(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                              const struct profile_header_check *h)
{
    bool any = h->equals || h->contains || h->matches || h->n_has;
    if (!check_is_token(h->name))
        return node_fail(ctx->err, n, "'%.40s' cannot be the name of a header.", h->name);
    if (!any && h->presence == PRESENCE_ANY)
        return node_fail(ctx->err, n, "Nothing is said of the header '%.40s'; write present: true or false.", h->name);
    if (any && h->presence == PRESENCE_ABSENT)
        return node_fail(ctx->err, n, "The header '%.40s' cannot be absent and have a value.", h->name);
    if ((h->matches && check_regex(ctx, node_under(n, "matches"), h->matches, 0)) ||
        check_optional(ctx, l, n, "equals", h->equals) || check_optional(ctx, l, n, "contains", h->contains))
        return -1;
    return check_texts(ctx, l, node_under(n, "has"), h->has, h->n_has);
}

static int check_json_check(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                            const struct profile_json_check *j)
{
    bool any = j->equals || j->is || j->length || j->matches;
    if (check_jsonpath(ctx, n, j->path))
        return -1;
    if (!any && j->presence == PRESENCE_ANY)
        return node_fail(ctx->err, n, "Nothing is said of '%.60s'; write present: true or false.", j->path);
    if (any && j->presence == PRESENCE_ABSENT)
        return node_fail(ctx->err, n, "'%.60s' cannot be absent and have a value.", j->path);
    if ((j->matches && check_regex(ctx, node_under(n, "matches"), j->matches, 0)) ||
        (j->is && check_bound(ctx, node_under(n, "is"), j->is)) ||
        (j->length && check_bound(ctx, node_under(n, "length"), j->length)))
        return -1;
    return check_optional(ctx, l, n, "equals", j->equals);
}

int check_expect(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                 const struct profile_expect *e)
{
    const struct node *headers = node_under(n, "headers"), *json = node_under(n, "json"), *body = node_under(n, "body");
    for (int i = 0; i < e->n_headers; i++)
        if (check_header_check(ctx, l, node_under(headers, e->headers[i].name), &e->headers[i]))
            return -1;
    for (int i = 0; i < e->n_json; i++)
        if (check_json_check(ctx, l, node_under(json, e->json[i].path), &e->json[i]))
            return -1;
    if (e->body.at_most_bytes != PROFILE_AUTO && e->body.at_most_bytes < e->body.at_least_bytes)
        return node_fail(ctx->err, node_under(body, "at_most"), "No body is at least and at most that large.");
    if (e->body.matches && check_regex(ctx, node_under(body, "matches"), e->body.matches, 0))
        return -1;
    return check_texts(ctx, l, node_under(body, "contains"), e->body.contains, e->body.n_contains) ||
                   check_texts(ctx, l, node_under(body, "lacks"), e->body.lacks, e->body.n_lacks)
               ? -1
               : 0;
}

int check_value(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                const struct profile_extract *x)
{
    int sources = !!x->json + !!x->header + !!x->cookie + !!x->regex + (x->n_between > 0);
    if (sources != 1)
        return node_fail(ctx->err, n, "A value comes from one of json, header, cookie, regex and between.");
    if (x->n_between && (x->n_between != 2 || !*x->between[0] || !*x->between[1]))
        return node_fail(ctx->err, node_under(n, "between"), "between: has two texts, before and behind the value.");
    if ((x->header && !check_is_token(x->header)) || (x->cookie && !check_is_token(x->cookie)))
        return node_fail(ctx->err, node_under(n, x->header ? "header" : "cookie"),
                         "'%.40s' cannot be the name of a %s.", x->header ? x->header : x->cookie,
                         x->header ? "header" : "cookie");
    if (x->json && check_jsonpath(ctx, n->kind == NODE_MAP ? node_under(n, "json") : n, x->json))
        return -1;
    if (x->regex && check_regex(ctx, node_under(n, "regex"), x->regex, 0))
        return -1;
    return check_optional(ctx, l, n, "default", x->fallback);
}

static int check_extract(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                         const struct profile_step *s)
{
    for (int i = 0; i < s->n_extract; i++) {
        const struct profile_extract *x = &s->extract[i];
        if (!check_is_name(x->name) || !strcmp(x->name, "id"))
            return node_fail(ctx->err, node_under(n, x->name),
                             "'%.40s' cannot be the name of a session variable: letters, digits, '.', '_' and '-', "
                             "and not id.",
                             x->name);
        if (check_value(ctx, l, node_under(n, x->name), x))
            return -1;
    }
    return 0;
}

// A raw reply has neither status nor header, except where it is HTTP.
static int check_raw_reply(const struct load_context *ctx, const struct node *n, const struct profile_step *s)
{
    const struct profile_expect *e = &s->expect;
    bool http = s->request.present || s->tcp.framing == FRAMING_HTTP;
    const struct node *expect = node_under(n, "expect");
    if (e->error_replies &&
        (s->request.present || (s->tcp.framing != FRAMING_RESP && s->tcp.framing != FRAMING_MEMCACHED)))
        return node_fail(ctx->err, node_under(expect, "error_replies"),
                         "error_replies belongs to framing resp or memcached.");
    if (http)
        return 0;
    if (e->n_status || e->n_headers)
        return node_fail(ctx->err, node_under(expect, e->n_status ? "status" : "headers"),
                         "A raw reply has neither a status nor a header; check its body.");
    if (s->tcp.framing == FRAMING_NONE &&
        (s->n_extract || e->n_json || e->body.n_contains || e->body.n_lacks || e->body.matches))
        return node_fail(ctx->err, n, "With framing: none there is no reply to look at.");
    for (int i = 0; i < s->n_extract; i++)
        if (s->extract[i].header || s->extract[i].cookie)
            return node_fail(ctx->err, node_under(node_under(n, "extract"), s->extract[i].name),
                             "A raw reply has no header; take the value from its body.");
    return 0;
}

static int check_step(const struct load_context *ctx, struct profile_load *l, const struct node *n,
                      struct profile_step *s)
{
    const struct node *request = node_under(n, "request");
    if (s->request.present == s->tcp.present)
        return node_fail(ctx->err, n,
                         s->tcp.present ? "A step has a request or tcp, not both."
                                        : "A step needs the key 'request' or 'tcp'.");
    if (s->request.present ? check_request(ctx, l, request, &s->request)
                           : check_tcp(ctx, l, node_under(n, "tcp"), &s->tcp))
        return -1;
    if (check_raw_reply(ctx, n, s) || check_expect(ctx, l, node_under(n, "expect"), &s->expect))
        return -1;
    return check_extract(ctx, l, node_under(n, "extract"), s);
}

static int check_step_name(const struct load_context *ctx, const struct node *n, struct profile_step *steps, int i)
{
    char number[16];
    int len = snprintf(number, sizeof number, "s%d", i + 1);
    if (!steps[i].name && !(steps[i].name = arena_text(ctx->arena, number, (size_t)len)))
        return seep_fail(ctx->err, SEEP_E_SYSTEM, "Memory ran out while a profile was read");
    for (int k = 0; k < i; k++)
        if (!strcmp(steps[k].name, steps[i].name))
            return node_fail(ctx->err, node_under(n, "name"),
                             "Two steps are called '%.60s'; gates could not tell them apart.", steps[i].name);
    return 0;
}

static bool same_transaction(const struct profile_step *a, const struct profile_step *b)
{
    return a->transaction && b->transaction && !strcmp(a->transaction, b->transaction);
}

// A transaction is one stretch of an iteration: its name does not come back after a step that is no part of it.
static int check_transaction(const struct load_context *ctx, const struct node *n, const struct profile_step *steps,
                             int i)
{
    if (!steps[i].transaction || i == 0 || same_transaction(&steps[i], &steps[i - 1]))
        return 0;
    for (int k = 0; k + 1 < i; k++)
        if (same_transaction(&steps[k], &steps[i]))
            return node_fail(ctx->err, node_under(n, "transaction"),
                             "The transaction '%.60s' was over before this step; its steps stand next to each other.",
                             steps[i].transaction);
    return 0;
}

int check_steps(const struct load_context *ctx, struct profile_load *l, const struct node *n,
                struct profile_step *steps, int n_steps)
{
    struct step_nodes nodes;
    if (n_steps == 0)
        return 0;
    if (steps_nodes(ctx, n, &nodes))
        return -1;
    for (int i = 0; i < n_steps; i++) {
        const struct node *step = nodes.node[i];
        if (!steps[i].group_n && node_given(step, "weight"))
            return node_fail(ctx->err, node_under(step, "weight"),
                             "A weight chooses between the steps of a one_of; steps in a row all take place.");
        if (check_step_name(ctx, step, steps, i) || check_transaction(ctx, step, steps, i) ||
            check_step(ctx, l, step, &steps[i]))
            return -1;
    }
    return 0;
}

int check_scenario(const struct load_context *ctx, struct profile_load *l, const struct node *n,
                   struct profile_scenario *s)
{
    static const char *const of_step[] = {"request", "tcp", "expect", "extract", "repeat"};
    if (!s->n_steps) {
        if (!s->single.request.present && !s->single.tcp.present)
            return node_fail(ctx->err, n,
                             node_given(n, "steps") ? "This scenario has no steps."
                                                    : "A scenario needs the key 'request', 'tcp' or 'steps'.");
        s->steps = &s->single;
        s->n_steps = 1;
        s->single.where = s->where;
        s->single.name = s->name;
        s->single.weight = 1;
        return check_step(ctx, l, n, &s->single);
    }
    for (size_t i = 0; i < sizeof of_step / sizeof *of_step; i++)
        if (node_given(n, of_step[i]))
            return node_fail(ctx->err, node_under(n, of_step[i]), "A scenario with steps has no %s of its own.",
                             of_step[i]);
    return check_steps(ctx, l, node_under(n, "steps"), s->steps, s->n_steps);
}
