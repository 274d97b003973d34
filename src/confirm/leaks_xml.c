// memcheck's XML (protocol 4), read as a stream by expat: loss records, a fatal signal, and whether it is whole.
//
// Trust: the file names a foreign program's functions and may be cut anywhere. A document type or an entity of its own
// is refused, depth and text are bounded, and what came before an error counts.
#include "confirm/sites.h"

#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DEPTH_MAX = 32, VALUE_MAX = 8192, CHUNK = 64 << 10 };

struct reading {
    XML_Parser parser;
    struct confirm_sites *sites;
    struct confirm_xml *out;
    int point, depth;
    bool in_error, in_stack, seen_stack, is_leak;
    struct confirm_record record;
    char value[VALUE_MAX]; // text of the element that is open
    size_t value_len;
    char function[VALUE_MAX], module[VALUE_MAX];
    uint64_t ip;
};

static void give_up(struct reading *r, const char *why)
{
    snprintf(r->out->trouble, sizeof r->out->trouble, "%s", why);
    XML_StopParser(r->parser, XML_FALSE);
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct reading *r = ctx;
    (void)attributes;
    r->value_len = 0;
    if (++r->depth > DEPTH_MAX) {
        give_up(r, "its elements are nested too deep");
    } else if (!strcmp(name, "error")) {
        r->in_error = true;
        r->seen_stack = r->is_leak = false;
        confirm_record_clear(&r->record, CONFIRM_REACHABLE);
        r->record.bytes = -1; // until its text or its number says
    } else if (!strcmp(name, "stack")) {
        r->in_stack = r->in_error && !r->seen_stack; // a further one says where the block was used
        r->seen_stack = true;
    } else if (!strcmp(name, "frame")) {
        r->function[0] = r->module[0] = '\0';
        r->ip = 0;
    }
}

static void take_kind(struct reading *r)
{
    static const char *const names[CONFIRM_KINDS] = {"Leak_DefinitelyLost", "Leak_IndirectlyLost", "Leak_PossiblyLost",
                                                     "Leak_StillReachable"};
    for (int k = 0; k < CONFIRM_KINDS; k++)
        if (!strcmp(r->value, names[k])) {
            r->record.kind = (enum confirm_kind)k;
            r->is_leak = true;
        }
}

static double direct_bytes(const char *text, double all)
{
    const char *bracket = strchr(text, '(');
    char *end;
    char digits[32];
    size_t n = 0;
    for (const char *p = bracket ? bracket + 1 : ""; *p && strchr("0123456789,", *p) && n < sizeof digits - 1; p++)
        if (*p != ',')
            digits[n++] = *p;
    digits[n] = '\0';
    double v = strtod(digits, &end);
    return bracket && n > 0 && strstr(bracket, " direct") ? v : all;
}

static void end_of_error(struct reading *r)
{
    r->in_error = false;
    if (!r->is_leak || r->record.bytes < 0)
        return;
    confirm_sites_take(r->sites, &r->record, r->point);
    r->out->records++;
}

static void on_end(void *ctx, const char *name)
{
    struct reading *r = ctx;
    r->value[r->value_len] = '\0';
    r->depth--;
    if (!strcmp(name, "protocoltool") || !strcmp(name, "tool"))
        r->out->memcheck |= !strcmp(r->value, "memcheck");
    else if (!strcmp(name, "valgrindoutput"))
        r->out->finished = true;
    else if (!strcmp(name, "signo"))
        r->out->fatal_signal = atoi(r->value) > 0 && atoi(r->value) < 65 ? atoi(r->value) : 0;
    else if (r->in_error && !strcmp(name, "kind"))
        take_kind(r);
    else if (r->in_error && !strcmp(name, "text"))
        r->record.bytes = direct_bytes(r->value, -1);
    else if (r->in_error && !strcmp(name, "leakedbytes"))
        r->record.bytes = r->record.bytes >= 0 ? r->record.bytes : strtod(r->value, NULL);
    else if (r->in_error && !strcmp(name, "leakedblocks"))
        r->record.blocks = strtod(r->value, NULL);
    else if (r->in_stack && !strcmp(name, "fn"))
        memcpy(r->function, r->value, r->value_len + 1);
    else if (r->in_stack && !strcmp(name, "ip"))
        r->ip = strtoull(r->value, NULL, 16);
    else if (r->in_stack && !strcmp(name, "obj"))
        memcpy(r->module, r->value, r->value_len + 1);
    else if (r->in_stack && !strcmp(name, "frame"))
        confirm_record_frame(&r->record, r->function[0] ? r->function : NULL, strlen(r->function),
                             r->module[0] ? r->module : NULL, strlen(r->module), r->ip);
    else if (!strcmp(name, "stack"))
        r->in_stack = false;
    else if (!strcmp(name, "error"))
        end_of_error(r);
    r->value_len = 0;
}

// A longer text is cut: names of a kilobyte are templates, and both tools' keys are cut alike.
static void on_text(void *ctx, const char *text, int len)
{
    struct reading *r = ctx;
    size_t room = sizeof r->value - 1 - r->value_len, n = (size_t)len < room ? (size_t)len : room;
    memcpy(r->value + r->value_len, text, n);
    r->value_len += n;
}

static void on_doctype(void *ctx, const char *name, const char *sysid, const char *pubid, int internal)
{
    (void)name, (void)sysid, (void)pubid, (void)internal;
    give_up(ctx, "it has a document type, which valgrind never writes");
}

static void parse(struct reading *r, int fd)
{
    for (;;) {
        void *chunk = XML_GetBuffer(r->parser, CHUNK);
        ssize_t got = chunk ? read(fd, chunk, CHUNK) : -1;
        if (got < 0 && chunk && errno == EINTR)
            continue;
        if (got < 0) {
            snprintf(r->out->trouble, sizeof r->out->trouble, "it cannot be read");
            return;
        }
        if (XML_ParseBuffer(r->parser, (int)got, got == 0) == XML_STATUS_ERROR) {
            if (!r->out->trouble[0])
                snprintf(r->out->trouble, sizeof r->out->trouble, "it is cut or no XML (line %lu: %s)",
                         XML_GetCurrentLineNumber(r->parser), XML_ErrorString(XML_GetErrorCode(r->parser)));
            return;
        }
        if (got == 0)
            return;
    }
}

void confirm_read_xml(int fd, int point, struct confirm_sites *s, struct confirm_xml *out)
{
    struct reading *r = calloc(1, sizeof *r);
    *out = (struct confirm_xml){0};
    if (!r || !(r->parser = XML_ParserCreate(NULL))) {
        snprintf(out->trouble, sizeof out->trouble, "memory ran out");
        free(r);
        return;
    }
    r->sites = s;
    r->out = out;
    r->point = point;
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    parse(r, fd);
    XML_ParserFree(r->parser);
    buf_free(&r->record.text);
    free(r);
}
