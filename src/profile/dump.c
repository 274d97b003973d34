// A profile as JSON that reads back as the same profile: what the store keeps and the load worker gets. See schema.h.
#include "base/check.h"
#include "profile/runtext.h"
#include "profile/schema.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void schema_quantity(struct jsonw *w, const char *key, double value, enum seep_unit unit)
{
    static const char *const suffix[] = {
        [UNIT_NONE] = "",   [UNIT_BYTES] = "B",       [UNIT_SECONDS] = "s",
        [UNIT_RATIO] = "%", [UNIT_PER_SECOND] = "/s", [UNIT_BYTES_PER_SECOND] = "B/s",
    };
    SEEP_CHECK(unit != UNIT_RATIO); // a percentage would not read back to the last bit
    if (unit == UNIT_NONE) {
        jsonw_double(w, key, value);
        return;
    }
    char text[48];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    size_t len = strlen(text);
    snprintf(text + len, sizeof text - len, "%s", suffix[unit]);
    jsonw_string(w, key, text);
}

// "${" that is no kept reference was no variable any more when it got here: it is written "$${".
static void add_escaped(struct seep_buf *out, const char *text)
{
    for (const char *p = text; *p; p++) {
        bool opens = p[0] == '$' && p[1] == '{';
        bool kept = opens && runtext_is_kept(p);
        if (opens && !kept)
            buf_char(out, '$');
        buf_char(out, *p);
    }
}

void schema_write_text(struct jsonw *w, const char *key, const char *name, const char *text, bool redact)
{
    char *shown = redact && *name ? profile_redact_word(name, text) : redact ? profile_redact_text(text) : NULL;
    struct seep_buf b;
    buf_init(&b, PROFILE_DUMP_MAX);
    add_escaped(&b, shown ? shown : text);
    jsonw_string(w, key, b.data ? b.data : "");
    if (b.failed)
        w->out->failed = true;
    buf_free(&b);
    free(shown);
}

static void write_number(struct jsonw *w, const struct schema_key *key, double value)
{
    if (value == PROFILE_AUTO && (key->flags & (KEY_AUTO | KEY_OFF)))
        jsonw_string(w, key->name, key->flags & KEY_AUTO ? "auto" : "off");
    else if (isinf(value) && (key->flags & KEY_FOREVER))
        jsonw_string(w, key->name, "forever");
    else
        schema_quantity(w, key->name, value, key->unit);
}

static void write_texts(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    char *const *texts = *(char *const *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    if (!texts && (key->flags & KEY_UNSET_IS_NULL))
        return;
    jsonw_array(w, key->name);
    for (int i = 0; i < n; i++)
        schema_write_text(w, NULL, i ? texts[i - 1] : "", texts[i], redact);
    jsonw_end_array(w);
}

// An environment or header value stands under its name; with redact, a value under a secret's name is not shown.
static void write_pairs(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const struct profile_pair *pairs = *(struct profile_pair *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    if (!n)
        return;
    jsonw_object(w, key->name);
    for (int i = 0; i < n; i++) {
        if (!pairs[i].value)
            jsonw_null(w, pairs[i].key);
        else if (redact && redact_name(pairs[i].key) && strncmp(pairs[i].value, "${env:", 6) != 0)
            jsonw_string(w, pairs[i].key, PROFILE_REDACTED);
        else
            schema_write_text(w, pairs[i].key, "", pairs[i].value, redact);
    }
    jsonw_end_object(w);
}

static void write_list(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const char *items = *(char *const *)((const char *)object + key->offset);
    int n = *(const int *)((const char *)object + key->count);
    bool named = key->flags & KEY_NAMED, only = (key->flags & KEY_ONE) && n == 1;
    if (!n && !key->def)
        return;
    if (named)
        jsonw_object(w, key->name);
    else if (!only)
        jsonw_array(w, key->name);
    for (int i = 0; i < n; i++) {
        const char *item = items + key->item_size * (size_t)i;
        jsonw_object(w, named ? *(char *const *)(item + key->item_name) : only ? key->name : NULL);
        schema_write(w, key->sub, item, redact);
        jsonw_end_object(w);
    }
    if (named)
        jsonw_end_object(w);
    else if (!only)
        jsonw_end_array(w);
}

static void write_map(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    if (key->present && !*(const bool *)((const char *)object + key->present - 1))
        return;
    size_t before = w->out->len;
    bool had_item = w->has_item[w->depth];
    jsonw_object(w, key->name);
    schema_write(w, key->sub, (const char *)object + key->offset, redact);
    bool empty = !w->has_item[w->depth];
    jsonw_end_object(w);
    if (empty && (key->flags & KEY_QUIET) && !w->out->failed) {
        w->out->len = before;
        w->out->data[before] = 0;
        w->has_item[w->depth] = had_item;
    }
}

// Whether a quiet key has its default. Choices have the first as theirs.
static bool is_default(const struct schema_key *key, const void *object)
{
    const char *field = (const char *)object + key->offset;
    struct seep_quantity q = {0};
    switch (key->type) {
    case KEY_NUMBER:
        if (*(const double *)field == PROFILE_AUTO)
            return !strcmp(key->def, "auto") || !strcmp(key->def, "off");
        return units_parse(key->def, &q, NULL, NULL) == 0 && q.value == *(const double *)field;
    case KEY_INT:
        return *(const int *)field == (!strcmp(key->def, "auto") ? (int)PROFILE_AUTO : (int)strtol(key->def, NULL, 10));
    case KEY_BOOL:
        return *(const bool *)field == !strcmp(key->def, "true");
    case KEY_CHOICE:
        return *(const int *)field == 0;
    case KEY_TEXTS:
        return *(const int *)((const char *)object + key->count) == 0;
    default:
        return false;
    }
}

static void write_choice(struct jsonw *w, const struct schema_key *key, int value)
{
    const char *p = key->choices;
    for (; value > 0; value--) {
        p = strchr(p, '|');
        SEEP_CHECK(p);
        p++;
    }
    jsonw_stringn(w, key->name, p, strcspn(p, "|"));
}

static void write_value(struct jsonw *w, const struct schema_key *key, const void *object, bool redact)
{
    const char *field = (const char *)object + key->offset;
    if ((key->flags & KEY_QUIET) && is_default(key, object))
        return;
    switch (key->type) {
    case KEY_TEXT:
    case KEY_NAME:
        if (*(char *const *)field)
            schema_write_text(w, key->name, "", *(char *const *)field, redact);
        return;
    case KEY_NUMBER:
        write_number(w, key, *(const double *)field);
        return;
    case KEY_INT:
        if (*(const int *)field == (int)PROFILE_AUTO && (key->flags & KEY_AUTO))
            jsonw_string(w, key->name, "auto");
        else
            jsonw_int(w, key->name, *(const int *)field);
        return;
    case KEY_BOOL:
        jsonw_bool(w, key->name, *(const bool *)field);
        return;
    case KEY_CHOICE:
        write_choice(w, key, *(const int *)field);
        return;
    case KEY_TEXTS:
        write_texts(w, key, object, redact);
        return;
    case KEY_PAIRS:
        write_pairs(w, key, object, redact);
        return;
    case KEY_MAP:
        write_map(w, key, object, redact);
        return;
    case KEY_LIST:
        write_list(w, key, object, redact);
        return;
    case KEY_CUSTOM:
        key->ops->write(w, key, object, redact);
        return;
    case KEY_FIXED:
        jsonw_int(w, key->name, strtol(key->def, NULL, 10));
        return;
    }
}

void schema_write(struct jsonw *w, const struct schema_key *keys, const void *object, bool redact)
{
    for (; keys->name; keys++)
        write_value(w, keys, object, redact);
}

char *profile_dump(const struct profile *p, bool redact)
{
    struct seep_buf out;
    buf_init(&out, PROFILE_DUMP_MAX);
    struct jsonw w;
    jsonw_init(&w, &out, true);
    jsonw_object(&w, NULL);
    schema_write(&w, schema_profile, p, redact);
    jsonw_end_object(&w);
    buf_char(&out, '\n');
    if (!out.failed)
        return out.data;
    buf_free(&out);
    return NULL;
}
