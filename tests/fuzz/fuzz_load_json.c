// JSON of replies at a path: one pass agrees with a tree of jansson about what is JSON and what stands where.
#include "fuzz.h"
#include "load/json_find.h"

#include <jansson.h>
#include <math.h>

// jansson's own limits, and its habit to refuse numbers too large for it, leave texts that only one of both takes.
static bool comparable(const char *text, size_t len)
{
    long depth = 0, digits = 0;
    for (size_t i = 0; i < len; i++) {
        depth += text[i] == '[' || text[i] == '{';
        digits = text[i] >= '0' && text[i] <= '9' ? digits + 1 : 0;
        if (text[i] == 'e' || text[i] == 'E' || digits > 15 || text[i] == '\\')
            return false;
    }
    return depth < JSON_DEPTH_MAX;
}

static const json_t *step_into(const json_t *v, const struct jsonpath_step *s)
{
    if (s->kind == JSONPATH_INDEX)
        return json_is_array(v) ? json_array_get(v, (size_t)s->index) : NULL;
    if (!json_is_object(v))
        return NULL;
    return json_object_getn(v, s->name, s->len);
}

static void compare(const char *text, size_t len, const struct jsonpath *path, long n, const struct json_value *v)
{
    json_t *tree = json_loadb(text, len, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
    FUZZ_NEED((tree != NULL) == (n >= 0));
    const json_t *at = tree;
    for (int i = 0; i < path->n && at; i++)
        at = step_into(at, &path->step[i]);
    if (tree != NULL && !path->many)
        FUZZ_NEED((at != NULL) == (n == 1));
    if (at != NULL && n == 1 && !path->many) {
        if (json_is_array(at))
            FUZZ_NEED(v->kind == JSON_KIND_LIST && v->length == json_array_size(at));
        if (json_is_real(at))
            FUZZ_NEED(v->kind == JSON_KIND_NUMBER && json_number(v) == json_real_value(at));
        if (json_is_string(at))
            FUZZ_NEED(v->kind == JSON_KIND_STRING && v->text.len - 2 == json_string_length(at));
    }
    json_decref(tree);
}

// The path up to the first line end, the text after it.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *line = memchr(data, '\n', size);
    size_t path_len = line ? (size_t)(line - data) : 0, bad_at = 0;
    char *path_text = strndup((const char *)data, path_len);
    const char *text = line ? (const char *)line + 1 : (const char *)data;
    size_t len = line ? size - path_len - 1 : size;
    struct jsonpath path;
    struct json_value v = {0};
    FUZZ_NEED(path_text != NULL);
    if (jsonpath_parse(path_text, &path, &bad_at, NULL) == 0) {
        long n = json_find(text, len, &path, &v);
        FUZZ_NEED(n >= 0 || !json_is_valid(text, len));
        if (n > 0) {
            struct seep_buf out;
            buf_init(&out, FUZZ_INPUT_MAX);
            FUZZ_NEED(v.text.text >= text && v.text.text + v.text.len <= text + len && v.text.len > 0);
            FUZZ_NEED(json_is_valid(v.text.text, v.text.len));
            json_append(&v, &out);
            FUZZ_NEED(out.len <= v.text.len);
            buf_free(&out);
        }
        if (comparable(text, len) && !memchr(text, 0, len))
            compare(text, len, &path, n, &v);
    } else {
        FUZZ_NEED(bad_at <= path_len);
    }
    free(path_text);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "$.result.data[0].id\n{\"result\":{\"data\":[{\"id\":1},{\"id\":2}]},\"ok\":true}",
        "$['a.b'][*]\n{\"a.b\":[1,2.5,-3e4,null,false,\"x\"]}",
        "$\n\"\\u00e9\\ud83d\\ude00\\n\"",
        "$.d\n{\"d\":1,\"d\":[{},[[]]]}",
        "$[2]\n [0, 1, {\"\":\"h\xc3\xa9\"} ] ",
        "$.a[*].b\n[{\"a\":",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
