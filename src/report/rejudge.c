// Two verdicts compared member by member: see rejudge.h.
#include "report/rejudge.h"
#include "base/esc.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LEN = 400 };
static const double relative = 1e-9;

struct rejudging {
    struct seep_buf *out;
    size_t n;
};

// The stored verdict is written a moment before the end record that "ended" is read from.
static bool may_change(const char *key)
{
    return strcmp(key, "frames") == 0 || strcmp(key, "seep_version") == 0 || strcmp(key, "ended") == 0 ||
           strcmp(key, "confirm") == 0 || strcmp(key, "confirmed") == 0;
}

static void put_value(struct seep_buf *out, const json_t *v)
{
    char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text == NULL)
        buf_str(out, "nothing");
    else
        esc_term(out, text, strnlen(text, 120));
    free(text);
}

static void differ(struct rejudging *j, const char *path, const json_t *stored, const json_t *now)
{
    j->n++;
    esc_term(j->out, path, strlen(path));
    buf_str(j->out, ": ");
    put_value(j->out, stored);
    buf_str(j->out, " -> ");
    put_value(j->out, now);
    buf_char(j->out, '\n');
}

static bool same_number(const json_t *a, const json_t *b)
{
    double x = json_number_value(a), y = json_number_value(b);
    return x == y || fabs(x - y) <= relative * fmax(fabs(x), fabs(y));
}

static void compare(struct rejudging *j, const char *path, const json_t *stored, const json_t *now);

static void compare_objects(struct rejudging *j, const char *path, json_t *stored, json_t *now)
{
    const char *key;
    json_t *value;
    char inner[PATH_MAX_LEN];
    json_object_foreach(stored, key, value)
    {
        snprintf(inner, sizeof inner, "%s%s%s", path, path[0] == '\0' ? "" : ".", key);
        if (!may_change(key))
            compare(j, inner, value, json_object_get(now, key));
    }
}

static void compare_arrays(struct rejudging *j, const char *path, const json_t *stored, const json_t *now)
{
    char inner[PATH_MAX_LEN];
    if (json_array_size(stored) != json_array_size(now)) {
        differ(j, path, stored, now);
        return;
    }
    for (size_t i = 0; i < json_array_size(stored); i++) {
        snprintf(inner, sizeof inner, "%s[%zu]", path, i);
        compare(j, inner, json_array_get(stored, i), json_array_get(now, i));
    }
}

// Members that only the new one has are additions of a later version: they take nothing back.
static void compare(struct rejudging *j, const char *path, const json_t *stored, const json_t *now)
{
    if (json_is_object(stored) && json_is_object(now))
        compare_objects(j, path, (json_t *)stored, (json_t *)now);
    else if (json_is_array(stored) && json_is_array(now))
        compare_arrays(j, path, stored, now);
    else if (json_is_number(stored) && json_is_number(now) ? !same_number(stored, now)
                                                           : now == NULL || !json_equal(stored, now))
        differ(j, path, stored, now);
}

// What came after the verdict cannot stand in it.
static void drop_later_events(json_t *verdict)
{
    json_t *events = json_object_get(verdict, "events");
    for (size_t i = json_array_size(events); i-- > 0;) {
        const char *kind = json_string_value(json_object_get(json_array_get(events, i), "kind"));
        if (kind != NULL && strcmp(kind, E_AFTER) == 0)
            json_array_remove(events, i);
    }
}

int report_rejudge(const char *stored, const struct report *r, struct seep_buf *out, size_t *n, struct seep_err *err)
{
    struct seep_buf text;
    struct rejudging j = {.out = out};
    buf_init(&text, 256u << 20);
    if (report_json(r, NULL, &text, err) != 0) {
        buf_free(&text);
        return -1;
    }
    json_t *before = json_loads(stored, 0, NULL), *now = json_loads(text.data, 0, NULL);
    buf_free(&text);
    drop_later_events(now);
    int failed = before == NULL || now == NULL
                     ? seep_fail(err, SEEP_E_CORRUPT, "The verdict that was stored with the run cannot be read.")
                     : 0;
    if (!failed)
        compare(&j, "", before, now);
    json_decref(before);
    json_decref(now);
    *n = j.n;
    return failed;
}
