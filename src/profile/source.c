// Texts of profiles, and errors that point into them: "file:line:column: sentence", the line, a caret.
#include "base/buf.h"
#include "base/esc.h"
#include "profile/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SHOWN_COLUMNS = 76, SHOWN_BEFORE = 56, SENTENCE_MAX = 230, FILE_SHOWN = 80, PIPE_WITHIN_MS = 10000 };

// Length of the line break at p (as YAML counts them), or 0.
static size_t break_length(const char *p, const char *end)
{
    if (p >= end)
        return 0;
    if (*p == '\r')
        return p + 1 < end && p[1] == '\n' ? 2 : 1;
    if (*p == '\n')
        return 1;
    if (end - p >= 2 && !memcmp(p, "\xc2\x85", 2))
        return 2;
    if (end - p >= 3 && (!memcmp(p, "\xe2\x80\xa8", 3) || !memcmp(p, "\xe2\x80\xa9", 3)))
        return 3;
    return 0;
}

static const char *find_line(const struct source *s, int line, size_t *len)
{
    const char *p = s->text, *end = s->text + s->len;
    if (s->len >= 3 && !memcmp(p, "\xef\xbb\xbf", 3))
        p += 3;
    for (int at = 1; at < line && p < end;) {
        size_t b = break_length(p, end);
        at += b > 0;
        p += b ? b : 1;
    }
    const char *stop = p;
    while (stop < end && !break_length(stop, end))
        stop++;
    *len = (size_t)(stop - p);
    return p;
}

// The stretch of the line around the column, one character a column, and the caret below it. What is no printable
// character is shown as '?', so that the text is safe and the caret stands right.
static void add_line(struct seep_buf *out, const struct source *s, int line, int column)
{
    size_t len;
    const char *p = find_line(s, line, &len);
    int skip = column - 1 > SHOWN_BEFORE ? column - 1 - SHOWN_BEFORE : 0;
    buf_str(out, "\n  ");
    for (int at = 0; len > 0 && at < skip + SHOWN_COLUMNS; at++) {
        unsigned rune = 0;
        int n = esc_utf8(p, len, &rune);
        if (at >= skip && out->len + 90 < sizeof(((struct seep_err *)0)->text)) {
            if (n == 1 && rune == '\t')
                buf_char(out, ' ');
            else if (n == 0 || rune < 0x20 || (rune >= 0x7f && rune < 0xa0) || (n > 1 && rune >= 0x200b))
                buf_char(out, '?');
            else
                buf_add(out, p, (size_t)n);
        }
        p += n ? n : 1;
        len -= (size_t)(n ? n : 1);
    }
    buf_printf(out, "\n  %*s^", column - 1 - skip, "");
}

int source_vfail(struct seep_err *err, const struct source *s, int line, int column, const char *fmt, va_list ap)
{
    char sentence[SENTENCE_MAX];
    vsnprintf(sentence, sizeof sentence, fmt, ap);
    if (!s || line <= 0)
        return seep_fail(err, SEEP_E_USAGE, "%.*s%s%s", FILE_SHOWN, s ? s->name : "", s ? ": " : "", sentence);
    struct seep_buf out;
    buf_init(&out, sizeof(((struct seep_err *)0)->text) - 1);
    size_t name_len = strlen(s->name);
    const char *name = name_len > FILE_SHOWN ? s->name + name_len - FILE_SHOWN : s->name;
    buf_printf(&out, "%s%s:%d:%d: %s", name == s->name ? "" : "...", name, line, column, sentence);
    add_line(&out, s, line, column);
    seep_fail(err, SEEP_E_USAGE, "%s", out.data ? out.data : sentence);
    buf_free(&out);
    return -1;
}

int source_fail(struct seep_err *err, const struct source *s, int line, int column, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    source_vfail(err, s, line, column, fmt, ap);
    va_end(ap);
    return -1;
}

int node_fail(struct seep_err *err, const struct node *n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    source_vfail(err, n->source, n->line, n->column, fmt, ap);
    va_end(ap);
    return -1;
}

// Exact for scalars that stand on one line without escapes; else the scalar's beginning.
int node_fail_at(struct seep_err *err, const struct node *n, size_t offset, const char *fmt, ...)
{
    int column = n->column;
    size_t len;
    if (n->line > 0 && n->kind == NODE_SCALAR) {
        const char *line = find_line(n->source, n->line, &len);
        const char *found = strstr(line, n->text);
        if (found && found + strlen(n->text) <= line + len) {
            column += !n->plain;
            for (size_t i = 0; i < offset && n->text[i]; i++)
                column += (n->text[i] & 0xc0) != 0x80;
        }
    }
    va_list ap;
    va_start(ap, fmt);
    source_vfail(err, n->source, n->line, column, fmt, ap);
    va_end(ap);
    return -1;
}

struct source *source_from(struct arena *a, const char *name, const char *text, size_t len)
{
    struct source *s = arena_alloc(a, sizeof *s);
    if (!s)
        return NULL;
    s->name = arena_text(a, name, strlen(name));
    s->text = arena_text(a, text, len);
    s->len = len;
    return s->name && s->text ? s : NULL;
}

// A pipe whose writer is slow is waited for; one that says nothing for so long is not.
static bool wait_for_more(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&p, 1, PIPE_WITHIN_MS);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        errno = ETIMEDOUT;
    return n > 0;
}

static int read_all(int fd, struct seep_buf *out, const char *what, const char *path, struct seep_err *err)
{
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof chunk)) != 0) {
        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for_more(fd))))
            continue;
        if (n < 0) {
            seep_fail_errno(err, errno, "The %s '%.200s' cannot be read", what, path);
            return -1;
        }
        buf_add(out, chunk, (size_t)n);
        if (out->failed)
            return seep_fail(err, SEEP_E_USAGE, "The %s '%.200s' is larger than %d KiB; no %s needs that", what, path,
                             PROFILE_SIZE_MAX / 1024, what);
    }
    return 0;
}

// Symbolic links and pipes are followed: the path is the user's own word, as for any program that reads a file.
struct source *source_read(struct arena *a, const char *what, const char *path, struct seep_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO without a writer reads as empty
    if (fd < 0) {
        seep_fail_errno(err, errno, "The %s '%.200s' cannot be opened", what, path);
        if (err)
            err->code = SEEP_E_USAGE;
        return NULL;
    }
    struct seep_buf text;
    buf_init(&text, PROFILE_SIZE_MAX);
    struct source *s = NULL;
    if (read_all(fd, &text, what, path, err) == 0) {
        s = source_from(a, path, text.data ? text.data : "", text.len);
        if (!s)
            seep_fail(err, SEEP_E_SYSTEM, "Memory ran out while the %s '%.200s' was read", what, path);
    } else if (err) {
        err->code = SEEP_E_USAGE;
    }
    close(fd);
    buf_free(&text);
    return s;
}
