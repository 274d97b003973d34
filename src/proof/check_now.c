// Requirements met by what answers or stands there now: an endpoint, a port, files, somebody's word.
#include "base/fs.h"
#include "linux/connect.h"
#include "linux/exe.h"
#include "load/http_check.h"
#include "proof/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 20, LOOKED_AT = 64 << 20 };

static void http_answer(struct proof_work *w, struct proof_item *item, int status, const struct seep_buf *header,
                        const struct seep_buf *body)
{
    const struct checklist_http *h = &item->asked->http;
    bool right = h->status == PROFILE_AUTO ? status >= 200 && status < 400 : (double)status == h->status;
    if (!right) {
        proof_set(item, PROOF_FAIL, proof_say(w, "It is answered with status %d", status));
        return;
    }
    for (int i = 0; i < h->n_headers; i++)
        if (!header->data || !strcasestr(header->data, h->headers[i])) {
            proof_set(item, PROOF_FAIL, proof_say(w, "Its header does not have '%.120s'", h->headers[i]));
            return;
        }
    for (int i = 0; i < h->n_contains; i++)
        if (!body->data || !memmem(body->data, body->len, h->contains[i], strlen(h->contains[i]))) {
            proof_set(item, PROOF_FAIL, proof_say(w, "'%.120s' is not in its body", h->contains[i]));
            return;
        }
    proof_set(item, PROOF_PASS, proof_say(w, "status %d, %zu bytes", status, body->len));
}

void proof_check_http(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_http *h = &item->asked->http;
    char *safe = profile_redact_text(h->url), limit[32];
    item->target = proof_say(w, "GET %s is answered within %s", safe ? safe : "?",
                             units_duration(limit, sizeof limit, h->within_s));
    free(safe);
    const char *url = proof_expand(w, item, h->url);
    struct load_http_reply reply = {0};
    struct seep_err err = {0};
    if (!url)
        return;
    buf_init(&reply.header, 64 << 10);
    buf_init(&reply.body, BODY_MAX);
    if (load_http_fetch(url, h->within_s, h->verify, &reply, &err)) {
        char *text = profile_redact_text(err.text);
        proof_set(item, PROOF_FAIL, proof_say(w, "%s", text ? text : "It does not answer"));
        free(text);
    } else {
        http_answer(w, item, reply.status, &reply.header, &reply.body);
    }
    buf_free(&reply.header);
    buf_free(&reply.body);
}

void proof_check_tcp(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_tcp *t = &item->asked->tcp;
    char why[160], limit[32];
    item->target = proof_say(w, "%s accepts within %s", t->address, units_duration(limit, sizeof limit, t->within_s));
    const char *address = proof_expand(w, item, t->address);
    if (!address)
        return;
    if (linux_connect(address, t->within_s, why, sizeof why))
        proof_set(item, PROOF_FAIL, proof_say(w, "%s: %s", address, why));
    else
        proof_set(item, PROOF_PASS, proof_say(w, "%s accepts connections", address));
}

// ---- files ----------------------------------------------------------------------------------------------------------

struct found {
    char *path; // the newest
    struct stat st;
    size_t n;
};

static int find_files(const char *pattern, struct found *out)
{
    glob_t g;
    int rc = glob(pattern, GLOB_NOSORT, NULL, &g);
    *out = (struct found){0};
    for (size_t i = 0; rc == 0 && i < g.gl_pathc; i++) {
        struct stat st;
        if (stat(g.gl_pathv[i], &st) || !S_ISREG(st.st_mode))
            continue;
        bool newer = out->n == 0 || st.st_mtim.tv_sec > out->st.st_mtim.tv_sec;
        out->n++;
        if (!newer)
            continue;
        free(out->path);
        out->path = strdup(g.gl_pathv[i]);
        out->st = st;
    }
    if (rc == 0)
        globfree(&g);
    return rc == GLOB_NOSPACE || (out->n > 0 && !out->path) ? -1 : 0;
}

static bool file_contains(const char *path, const char *text)
{
    struct seep_buf b;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char chunk[65536];
    bool found = false;
    buf_init(&b, LOOKED_AT + sizeof chunk);
    for (ssize_t got; fd >= 0 && b.len < LOOKED_AT && (got = read(fd, chunk, sizeof chunk)) > 0;)
        buf_add(&b, chunk, (size_t)got);
    found = b.len > 0 && memmem(b.data, b.len, text, strlen(text)) != NULL;
    if (fd >= 0)
        close(fd);
    buf_free(&b);
    return found;
}

static bool has_sha256(const char *path, const char *wanted)
{
    char sha256[65], build_id[129];
    return proof_identity_of(path, sha256, build_id, NULL) == 0 && strcasecmp(sha256, wanted) == 0;
}

// The first demand that does not hold, as a sentence; NULL: all do.
static const char *file_unmet(struct proof_work *w, const struct checklist_file *f, const struct found *it)
{
    char have[32], want[32];
    double age_s = (double)(w->p->made_ns / 1000000000 - it->st.st_mtim.tv_sec), size = (double)it->st.st_size;
    if (f->count != PROFILE_AUTO && (double)it->n < f->count)
        return proof_say(w, "%zu files match", it->n);
    if (f->max_age_s != PROFILE_AUTO && age_s < -300) // past what clocks differ by: it would never grow old
        return proof_say(w, "%s was changed in the future: a clock is wrong", it->path);
    if (f->max_age_s != PROFILE_AUTO && age_s > f->max_age_s)
        return proof_say(w, "%s was changed %s ago", it->path, units_duration(have, sizeof have, age_s));
    if (f->min_age_s != PROFILE_AUTO && age_s < f->min_age_s)
        return proof_say(w, "%s was changed only %s ago", it->path, units_duration(have, sizeof have, age_s));
    if (f->min_bytes != PROFILE_AUTO && size < f->min_bytes)
        return proof_say(w, "%s has %s, less than %s", it->path, units_bytes(have, sizeof have, size),
                         units_bytes(want, sizeof want, f->min_bytes));
    if (f->max_bytes != PROFILE_AUTO && size > f->max_bytes)
        return proof_say(w, "%s has %s, more than %s", it->path, units_bytes(have, sizeof have, size),
                         units_bytes(want, sizeof want, f->max_bytes));
    if (f->contains && !file_contains(it->path, f->contains))
        return proof_say(w, "'%.120s' is not in %s", f->contains, it->path);
    if (f->sha256 && !has_sha256(it->path, f->sha256))
        return proof_say(w, "%s has another SHA-256", it->path);
    return NULL;
}

static void describe_file(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_file *f = &item->asked->file;
    struct seep_buf b;
    char text[32];
    buf_init(&b, 4000);
    buf_printf(&b, "%s %s", f->path, f->absent ? "is not there" : "is there");
    if (f->max_age_s != PROFILE_AUTO)
        buf_printf(&b, ", changed within %s", units_duration(text, sizeof text, f->max_age_s));
    if (f->min_age_s != PROFILE_AUTO)
        buf_printf(&b, ", not changed for %s", units_duration(text, sizeof text, f->min_age_s));
    if (f->min_bytes != PROFILE_AUTO)
        buf_printf(&b, ", at least %s", units_bytes(text, sizeof text, f->min_bytes));
    if (f->max_bytes != PROFILE_AUTO)
        buf_printf(&b, ", at most %s", units_bytes(text, sizeof text, f->max_bytes));
    if (f->count != PROFILE_AUTO)
        buf_printf(&b, ", %g or more of them", f->count);
    if (f->contains)
        buf_printf(&b, ", with '%.80s'", f->contains);
    if (f->sha256)
        buf_printf(&b, ", SHA-256 %.12s...", f->sha256);
    item->target = proof_say(w, "%s", b.data ? b.data : "");
    buf_free(&b);
}

void proof_check_file(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_file *f = &item->asked->file;
    struct found it = {0};
    char size[32], age[32];
    describe_file(w, item);
    const char *pattern = proof_expand(w, item, f->path), *why = NULL;
    if (!pattern)
        return;
    if (find_files(pattern, &it))
        proof_set(item, PROOF_MISSING, "memory ran out");
    else if (f->absent)
        proof_set(item, it.n ? PROOF_FAIL : PROOF_PASS,
                  it.n ? proof_say(w, "%s is there", it.path) : "no file matches");
    else if (it.n == 0)
        proof_set(item, PROOF_FAIL, "no file matches");
    else if ((why = file_unmet(w, f, &it)) != NULL)
        proof_set(item, PROOF_FAIL, why);
    else
        proof_set(item, PROOF_PASS,
                  proof_say(w, "%s, %s, changed %s ago, %zu match", it.path,
                            units_bytes(size, sizeof size, (double)it.st.st_size),
                            units_duration(age, sizeof age,
                                           fmax(0, (double)(w->p->made_ns / 1000000000 - it.st.st_mtim.tv_sec))),
                            it.n));
    free(it.path);
}

// ---- somebody's word ------------------------------------------------------------------------------------------------

// Midnight UTC at which the day begins.
static int64_t day_ns(const char *day)
{
    struct tm tm = {0};
    sscanf(day, "%4d-%2d-%2d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (int64_t)timegm(&tm) * 1000000000;
}

void proof_check_manual(struct proof_work *w, struct proof_item *item)
{
    const struct checklist_manual *m = &item->asked->manual;
    const int64_t day = 86400ll * 1000000000, now = w->p->made_ns;
    item->target = "a person's word, with name and day";
    if (!m->by || !*m->by || !m->date) {
        proof_set(
            item, PROOF_MISSING,
            proof_say(w, "Nobody has said so yet: %s is not filled in", m->by && *m->by ? "the day" : "the name"));
        return;
    }
    int64_t said = day_ns(m->date);
    // A day ahead of UTC is today somewhere.
    if (said > now + day / 2)
        proof_set(item, PROOF_FAIL, proof_say(w, "%s is a day to come", m->date));
    else if (m->expires && day_ns(m->expires) + day <= now)
        proof_set(item, PROOF_MISSING, proof_say(w, "What %s said on %s expired on %s", m->by, m->date, m->expires));
    else if (m->valid_s != PROFILE_AUTO && said + (int64_t)(m->valid_s * 1e9) <= now)
        proof_set(item, PROOF_MISSING, proof_say(w, "What %s said on %s is too old", m->by, m->date));
    else
        proof_set(item, PROOF_PASS,
                  proof_say(w, "%s, %s%s%s", m->by, m->date, m->note ? ": " : "", m->note ? m->note : ""));
}
