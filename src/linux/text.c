// Helpers for the kernel's text files: see text.h.
#include "linux/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

ssize_t text_read(int dir_fd, const char *path, char *buf, size_t size)
{
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    size_t have = 0;
    ssize_t got = 0;
    while (have < size - 1 && ((got = read(fd, buf + have, size - 1 - have)) > 0 || (got < 0 && errno == EINTR)))
        have += got > 0 ? (size_t)got : 0;
    int saved = errno;
    close(fd);
    buf[have] = '\0';
    errno = saved;
    return got < 0 ? -1 : (ssize_t)have;
}

bool text_number(const char *text, int64_t *out)
{
    uint64_t n = 0;
    while (*text == ' ' || *text == '\t')
        text++;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (n > ((uint64_t)INT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = (int64_t)n;
    return true;
}

int64_t text_number_of(int dir_fd, const char *path)
{
    char text[64];
    int64_t n;
    if (text_read(dir_fd, path, text, sizeof text) <= 0 || !text_number(text, &n))
        return SEEP_UNKNOWN;
    return n;
}

void text_fields(const char *text, const struct text_want *wants, size_t count)
{
    for (const char *line = text; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
        for (size_t i = 0; i < count; i++) {
            size_t len = strlen(wants[i].key);
            int64_t n;
            if (strncmp(line, wants[i].key, len) != 0)
                continue;
            if (text_number(line + len, &n) && n <= INT64_MAX / wants[i].scale)
                *wants[i].to = n * wants[i].scale;
            break;
        }
}

int64_t text_field(const char *text, const char *key)
{
    int64_t n = SEEP_UNKNOWN;
    text_fields(text, &(struct text_want){key, &n, 1}, 1);
    return n;
}

int64_t text_scaled(int64_t n, int64_t scale)
{
    int64_t product;
    return __builtin_mul_overflow(n, scale, &product) ? SEEP_UNKNOWN : product;
}

void text_add(int64_t *sum, int64_t v)
{
    if (v == SEEP_UNKNOWN)
        return;
    if (*sum == SEEP_UNKNOWN)
        *sum = v;
    else if (__builtin_add_overflow(*sum, v, sum))
        *sum = INT64_MAX;
}

int text_fail(struct seep_err *err, int sys_errno, pid_t pid, const char *name)
{
    if (sys_errno == ENOENT || sys_errno == ESRCH)
        seep_fail(err, SEEP_E_TARGET, "process %d is gone", (int)pid);
    else
        seep_fail(err, SEEP_E_UNSUPPORTED, "\"%s\" of process %d cannot be read: %s", name, (int)pid,
                  strerror(sys_errno));
    if (err)
        err->sys_errno = sys_errno;
    return -1;
}

void text_line(char *out, size_t size, const char *src)
{
    size_t len = strcspn(src, "\n");
    if (len > size - 1)
        len = size - 1;
    memcpy(out, src, len);
    out[len] = '\0';
}
