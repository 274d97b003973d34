// What `seep confirm` found out about the run later: kept with it as JSON, shown beside what the run itself says.
#include "report/build.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

const char *report_confirm_word(const char *status)
{
    static const char *const words[][2] = {{"lost", "confirmed lost"},
                                           {"reachable_growth", "confirmed growth"},
                                           {"possibly_lost", "possibly lost"},
                                           {"seen", "seen, steady"},
                                           {"not_seen", "not seen"}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(status, words[i][0]) == 0)
            return words[i][1];
    return status;
}

char *report_confirm_text(const struct report_confirm *c, char *out, size_t size)
{
    if (c->headline == NULL)
        return NULL;
    snprintf(out, size, "Replayed under %s: %s%s%s.", c->tool != NULL ? c->tool : "valgrind", c->headline,
             c->reason != NULL ? ". " : "", c->reason != NULL ? c->reason : "");
    return out;
}

static const char *text(struct build *b, const json_t *o, const char *key)
{
    return report_strdup(b->arena, json_string_value(json_object_get(o, key)));
}

static void take_stack(struct build *b, const json_t *o)
{
    const json_t *id = json_object_get(o, "stack");
    for (size_t i = 0; json_is_integer(id) && i < b->r->n_stacks; i++) {
        struct report_stack *s = &b->r->stacks[i];
        if ((json_int_t)s->id != json_integer_value(id))
            continue;
        s->confirm_status = text(b, o, "status");
        s->confirm_why = text(b, o, "reason");
    }
}

int build_confirm(struct build *b, struct seep_err *err)
{
    const char *kept;
    if (build_get(b, M_CONFIRM, &kept, err) != 0)
        return -1;
    json_t *all = kept == NULL ? NULL : json_loads(kept, 0, NULL), *stacks = json_object_get(all, "stacks");
    const char *schema = json_string_value(json_object_get(all, "schema"));
    if (schema != NULL && strcmp(schema, "seep.confirm/1") == 0) {
        struct report_confirm *c = &b->r->confirm;
        c->verdict = text(b, all, "verdict");
        c->headline = text(b, all, "headline");
        c->reason = text(b, all, "reason_text");
        c->tool = text(b, all, "tool");
        for (size_t i = 0; i < json_array_size(stacks); i++)
            take_stack(b, json_array_get(stacks, i));
    }
    json_decref(all);
    return 0;
}
