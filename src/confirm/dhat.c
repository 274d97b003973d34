// DHAT's file of a process (JSON, version 2): what each call path allocated, held at the heap's peak, and kept.
//
// Trust: the file names a foreign program's functions and may be cut anywhere. Its size is bounded, each member is
// looked at as what it claims to be, and one path that is none is passed over.
#include "confirm/sites.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILE_MAX = 32 << 20, VERSION = 2 };

// A count of DHAT's: a whole number that is not negative; false for anything else.
static bool count(const json_t *o, const char *key, double *out)
{
    const json_t *v = json_object_get(o, key);
    *out = json_is_integer(v) ? (double)json_integer_value(v) : -1;
    return *out >= 0;
}

static void take_frames(const json_t *path, const json_t *table, struct confirm_record *r)
{
    const json_t *frames = json_object_get(path, "fs");
    for (size_t i = 0; i < json_array_size(frames); i++) {
        const json_t *at = json_array_get(frames, i);
        json_int_t k = json_is_integer(at) ? json_integer_value(at) : -1;
        const char *text = k >= 0 ? json_string_value(json_array_get(table, (size_t)k)) : NULL;
        if (text)
            confirm_record_frame_text(r, text, strlen(text));
    }
}

static void take_path(const json_t *path, const json_t *table, struct confirm_sites *s, struct confirm_dhat *out)
{
    static struct confirm_record r; // large
    static const char *const bytes_of[] = {"tb", "gb", "eb"}, *const blocks_of[] = {"tbk", "gbk", "ebk"};
    double bytes[3], blocks[3], read, life;
    bool right = count(path, "rb", &read) && count(path, "tl", &life);
    for (int k = 0; right && k < 3; k++)
        right = count(path, bytes_of[k], &bytes[k]) && count(path, blocks_of[k], &blocks[k]);
    if (!right)
        return;
    for (int k = 0; k < 3; k++) {
        out->bytes[k] += bytes[k];
        out->blocks[k] += blocks[k];
    }
    confirm_record_clear(&r, CONFIRM_REACHABLE);
    r.bytes = bytes[CONFIRM_DHAT_TOTAL];
    r.blocks = blocks[CONFIRM_DHAT_TOTAL];
    take_frames(path, table, &r);
    struct confirm_site *site = confirm_sites_take(s, &r, CONFIRM_DHAT_TOTAL);
    for (int k = CONFIRM_DHAT_PEAK; site && k <= CONFIRM_DHAT_END; k++) {
        site->bytes[CONFIRM_REACHABLE][k] += bytes[k];
        site->blocks[CONFIRM_REACHABLE][k] += blocks[k];
    }
    if (site) {
        site->read_bytes += read;
        site->life_instructions += life;
    }
    buf_free(&r.text);
    r.text = (struct seep_buf){0};
}

static void take_all(const json_t *all, struct confirm_sites *s, struct confirm_dhat *out)
{
    double version;
    const char *mode = json_string_value(json_object_get(all, "mode")),
               *unit = json_string_value(json_object_get(all, "tu"));
    const json_t *paths = json_object_get(all, "pps"), *table = json_object_get(all, "ftbl");
    if (!count(all, "dhatFileVersion", &version) || version != VERSION || !mode || strcmp(mode, "heap") || !unit ||
        strcmp(unit, "instrs") || !json_is_array(paths) || !json_is_array(table) ||
        !count(all, "te", &out->end_instructions) || !count(all, "tg", &out->peak_instructions)) {
        snprintf(out->trouble, sizeof out->trouble, "it is no file of DHAT's, version %d, about the heap", VERSION);
        return;
    }
    for (size_t i = 0; i < json_array_size(paths); i++)
        take_path(json_array_get(paths, i), table, s, out);
    out->right = true;
}

void confirm_read_dhat(int fd, struct confirm_sites *s, struct confirm_dhat *out)
{
    struct seep_buf text;
    json_error_t why;
    char chunk[65536];
    *out = (struct confirm_dhat){0};
    buf_init(&text, FILE_MAX);
    for (ssize_t got; !text.failed && (got = read(fd, chunk, sizeof chunk)) > 0;)
        buf_add(&text, chunk, (size_t)got);
    json_t *all = text.failed ? NULL : json_loadb(text.data ? text.data : "", text.len, 0, &why);
    if (text.failed)
        snprintf(out->trouble, sizeof out->trouble, "it is larger than %d MiB", FILE_MAX >> 20);
    else if (!all)
        snprintf(out->trouble, sizeof out->trouble, "it is not whole: %.80s", why.text);
    else
        take_all(all, s, out);
    json_decref(all);
    buf_free(&text);
}
