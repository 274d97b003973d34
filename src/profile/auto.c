// What "auto" means, what stands in the environment, and the reference of keys. See profile.h.
#include "profile/checklist.h"
#include "profile/profile.h"
#include "profile/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

double profile_interval_s(const struct profile *p)
{
    if (p->run.interval_s != PROFILE_AUTO)
        return p->run.interval_s;
    double s = p->run.duration_s / 288;
    return s < 0.25 ? 0.25 : s > 300 ? 300 : s;
}

double profile_drain_s(const struct profile *p)
{
    if (p->run.drain_s != PROFILE_AUTO)
        return p->run.drain_s;
    return p->run.duration_s < 1800 ? 25 : 60;
}

enum profile_attribution profile_attribution_mode(const struct profile *p)
{
    if (p->attribution.mode != ATTRIBUTION_AUTO)
        return p->attribution.mode;
    return p->run.duration_s <= 3600 ? ATTRIBUTION_EXACT : ATTRIBUTION_SAMPLED;
}

bool profile_load_keeps_sessions(const struct profile_load *l)
{
    return l->sessions == SESSIONS_AUTO ? !l->open_model : l->sessions == SESSIONS_KEPT;
}

int profile_load_workers(const struct profile *p)
{
    int most = 1;
    for (int i = 0; i < p->n_loads; i++)
        if (p->loads[i].workers > most)
            most = p->loads[i].workers;
    return most;
}

// At p stands "${env:"; adds the value and returns what is behind the '}', or NULL.
static const char *expand_one(const char *p, struct seep_buf *out, struct seep_err *err)
{
    char name[256];
    const char *from = p + 6;
    size_t len = strcspn(from, "}");
    if (from[len] != '}' || len == 0 || len >= sizeof name) {
        seep_fail(err, SEEP_E_USAGE, "'%.60s' is not ${env:NAME}", p);
        return NULL;
    }
    memcpy(name, from, len);
    name[len] = 0;
    const char *value = getenv(name);
    if (!value) {
        seep_fail(err, SEEP_E_USAGE, "The environment variable %s, which the profile uses as ${env:%s}, is not set",
                  name, name);
        return NULL;
    }
    buf_str(out, value);
    return from + len + 1;
}

char *profile_expand_env(const char *text, struct seep_err *err)
{
    struct seep_buf out;
    buf_init(&out, PROFILE_DUMP_MAX);
    buf_str(&out, "");
    for (const char *p = text; p && *p;) {
        if (!strncmp(p, "$${env:", 7)) {
            buf_str(&out, "${env:");
            p += 7;
        } else if (!strncmp(p, "${env:", 6)) {
            p = expand_one(p, &out, err);
            if (!p) {
                buf_free(&out);
                return NULL;
            }
        } else {
            buf_char(&out, *p++);
        }
    }
    if (buf_check(&out, "A text of the profile with its environment variables put in", err)) {
        buf_free(&out);
        return NULL;
    }
    return out.data;
}

void schema_each(const struct schema_key *keys, const char *prefix,
                 void (*each)(const char *path, const struct schema_key *key, void *ctx), void *ctx)
{
    for (; keys->name; keys++) {
        char path[160];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "." : "", keys->name);
        each(path, keys, ctx);
        if (!keys->sub || (keys->flags & KEY_BRIEF))
            continue;
        const char *item = keys->flags & KEY_NAMED ? ".NAME" : keys->item_size && !(keys->flags & KEY_ONE) ? "[]" : "";
        snprintf(path + strlen(path), sizeof path - strlen(path), "%s", item);
        schema_each(keys->sub, path, each, ctx);
    }
}

static const char *plain_type(const struct schema_key *key)
{
    static const char *const units[] = {
        [UNIT_NONE] = "number",      [UNIT_BYTES] = "size",      [UNIT_SECONDS] = "duration",
        [UNIT_RATIO] = "percentage", [UNIT_PER_SECOND] = "rate", [UNIT_BYTES_PER_SECOND] = "growth rate",
    };
    switch (key->type) {
    case KEY_NUMBER:
        return units[key->unit];
    case KEY_INT:
        return "whole number";
    case KEY_BOOL:
        return "true or false";
    case KEY_TEXTS:
        return "list of texts";
    case KEY_PAIRS:
        return "map of texts";
    case KEY_MAP:
        return "map";
    case KEY_LIST:
        return key->flags & KEY_NAMED ? "map of names to maps"
               : key->flags & KEY_ONE ? "map, or list of maps"
                                      : "list of maps";
    case KEY_NAME:
        return "name";
    default:
        return "text";
    }
}

// What a value of the key looks like: "duration or auto", "text", "one of a, b".
static const char *schema_type_text(const struct schema_key *key, char *out, size_t size)
{
    if (key->type_name) {
        snprintf(out, size, "%s", key->type_name);
    } else if (key->choices) {
        snprintf(out, size, "%s", key->choices);
        for (char *bar = out; (bar = strchr(bar, '|')) != NULL;)
            *bar = '/';
    } else {
        snprintf(out, size, "%s%s%s%s", plain_type(key), key->flags & KEY_AUTO ? " or auto" : "",
                 key->flags & KEY_OFF ? " or off" : "", key->flags & KEY_FOREVER ? " or forever" : "");
    }
    return out;
}

struct keys_ctx {
    void (*each)(const char *path, const char *type, const char *def, const char *help, void *ctx);
    void *ctx;
};

static void one_key(const char *path, const struct schema_key *key, void *ctx)
{
    struct keys_ctx *k = ctx;
    char type[128];
    const char *def = key->flags & KEY_REQUIRED || key->type == KEY_FIXED ? "required" : key->def ? key->def : "";
    k->each(path, schema_type_text(key, type, sizeof type), def, key->help, k->ctx);
}

void profile_each_key(void (*each)(const char *path, const char *type, const char *def, const char *help, void *ctx),
                      void *ctx)
{
    struct keys_ctx k = {each, ctx};
    schema_each(schema_profile, "", one_key, &k);
}

void checklist_each_key(void (*each)(const char *path, const char *type, const char *def, const char *help, void *ctx),
                        void *ctx)
{
    struct keys_ctx k = {each, ctx};
    schema_each(schema_checklist, "", one_key, &k);
}
