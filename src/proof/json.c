// seep.signoff/1: docs/schema/seep.signoff.1.json says what every member means. Numbers are whole, so that the
// canonical form a seal is taken of (seal.c) is the same in any language.
#include "base/clock.h"
#include "base/jsonw.h"
#include "proof/proof.h"
#include "proof/seal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void put_time(struct jsonw *w, const char *key, int64_t ns)
{
    char text[32];
    jsonw_string(w, key, ns == SEEP_UNKNOWN ? NULL : clock_iso8601(text, ns));
}

static void put_run(struct jsonw *w, const struct proof_evidence *e)
{
    jsonw_object(w, NULL);
    jsonw_string(w, "run", e->run);
    jsonw_string(w, "link", e->link);
    jsonw_string(w, "verdict", e->verdict);
    put_time(w, "started", e->started_ns);
    put_time(w, "ended", e->ended_ns);
    jsonw_string(w, "sha256", e->sha256);
    jsonw_string(w, "build_id", e->build_id);
    jsonw_string(w, "digest", e->digest);
    if (e->made_as)
        jsonw_string(w, "made_as", e->made_as);
    jsonw_int(w, "measured_s", (int64_t)e->measured_s);
    jsonw_int(w, "samples", e->samples);
    jsonw_int(w, "gaps", e->gaps);
    jsonw_string(w, "figures", e->figures);
    jsonw_end_object(w);
}

static void put_item(struct jsonw *w, const struct proof_item *item)
{
    const struct checklist_requirement *q = item->asked;
    jsonw_object(w, NULL);
    jsonw_string(w, "name", q->name);
    jsonw_string(w, "id", q->id);
    jsonw_string(w, "about", q->about);
    jsonw_string(w, "kind", checklist_kind_name(q->kind));
    jsonw_int(w, "line", q->where.line);
    jsonw_string(w, "target", item->target);
    jsonw_string(w, "status", proof_status_name(item->status));
    jsonw_string(w, "evidence", item->evidence);
    put_time(w, "at", item->at_ns);
    jsonw_string(w, "output", item->output);
    jsonw_string(w, "output_sha256", item->output_sha256);
    jsonw_array(w, "runs");
    for (size_t i = 0; i < item->n_runs; i++)
        put_run(w, &item->runs[i]);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

static void put_list(struct jsonw *w, const struct proof *p)
{
    jsonw_object(w, "checklist");
    jsonw_string(w, "name", p->list->name);
    jsonw_string(w, "file", p->list->path);
    jsonw_string(w, "sha256", p->list_sha256);
    jsonw_array(w, "overrides");
    for (int i = 0; i < p->list->n_overrides; i++) {
        char *safe = profile_redact_text(p->list->overrides[i]);
        jsonw_string(w, NULL, safe);
        free(safe);
    }
    jsonw_end_array(w);
    jsonw_end_object(w);
    jsonw_array(w, "targets");
    for (size_t i = 0; i < p->n_targets; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "path", p->targets[i].path);
        jsonw_string(w, "sha256", p->targets[i].sha256);
        jsonw_string(w, "build_id", p->targets[i].build_id);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void put_body(struct jsonw *w, const struct proof *p)
{
    char line[160];
    jsonw_string(w, "schema", "seep.signoff/1");
    jsonw_string(w, "verdict", proof_status_name(p->status));
    jsonw_int(w, "exit_code", proof_exit_code(p));
    jsonw_string(w, "headline", proof_headline(p, line, sizeof line));
    put_time(w, "made", p->made_ns);
    jsonw_string(w, "by", p->user);
    jsonw_string(w, "host", p->host);
    jsonw_string(w, "seep_version", p->version);
    jsonw_string(w, "results", p->results);
    put_list(w, p);
    jsonw_array(w, "requirements");
    for (size_t i = 0; i < p->n_items; i++)
        put_item(w, &p->items[i]);
    jsonw_end_array(w);
}

static void write_document(const struct proof *p, const char *seal, struct seep_buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out, true);
    jsonw_object(&w, NULL);
    put_body(&w, p);
    if (seal) {
        jsonw_object(&w, "seal");
        jsonw_string(&w, "algorithm", "sha256");
        jsonw_string(&w, "hash", seal);
        jsonw_end_object(&w);
    }
    jsonw_end_object(&w);
    buf_char(out, '\n');
}

// Written twice: the seal is taken of what a reader will read, not of what we meant to write.
int proof_json(const struct proof *p, char *seal, struct seep_buf *out, struct seep_err *err)
{
    char own[65];
    struct seep_buf first;
    buf_init(&first, out->ceiling);
    write_document(p, NULL, &first);
    int failed = buf_check(&first, "The sign-off", err);
    json_t *root = failed ? NULL : json_loads(first.data, 0, NULL);
    if (!failed)
        failed = seal_of(root, seal ? seal : own, err);
    if (!failed)
        write_document(p, seal ? seal : own, out);
    json_decref(root);
    buf_free(&first);
    return failed ? -1 : buf_check(out, "The sign-off", err);
}
