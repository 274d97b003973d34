// Variables in a file: place, length, bytes, one after the other. See handover.h.
//
// All processes compile the same profile in the same order, so that a variable has the same place in each. What is
// read was written by one of our own workers, who talk to the whole world: it is checked all the same.
#include "load/handover.h"
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HANDOVER_MAX = 64 * 1024 * 1024 };

struct item {
    uint32_t place, len;
};

static int write_all(int fd, const struct session *s)
{
    for (int i = 0; s->value && i < s->plan->names.n; i++) {
        const struct load_text *v = &s->value[i];
        const struct item item = {.place = (uint32_t)i, .len = (uint32_t)v->len};
        if (!v->text)
            continue;
        if (fs_write_all(fd, &item, sizeof item, NULL) < 0 || fs_write_all(fd, v->text, v->len, NULL) < 0)
            return -1;
    }
    return fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW);
}

int handover_write(const struct session *s)
{
    int fd = memfd_create("seep-load-setup", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && write_all(fd, s) < 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static bool read_at(int fd, void *into, size_t len, off_t *at)
{
    for (size_t got = 0; got < len;) {
        ssize_t n = pread(fd, (char *)into + got, len - got, *at);
        if (n <= 0)
            return false;
        got += (size_t)n;
        *at += n;
    }
    return true;
}

static bool read_value(struct session *s, int fd, const struct item *item, off_t *at)
{
    if (item->place >= (uint32_t)s->plan->names.n || item->len > HANDOVER_MAX)
        return false;
    char *text = malloc(item->len + 1);
    bool ok = text && read_at(fd, text, item->len, at) && session_set(s, (int)item->place, text, item->len) == 0;
    free(text);
    return ok;
}

int handover_read(struct session *s, int fd)
{
    struct item item;
    off_t at = 0, end = lseek(fd, 0, SEEK_END);
    while (at < end) {
        if (!read_at(fd, &item, sizeof item, &at) || !read_value(s, fd, &item, &at))
            return -1;
    }
    return end < 0 ? -1 : 0;
}
