// The audit trail: a record per login, written into a ring of the last 256.
#include "demo.h"

#include <stdlib.h>
#include <string.h>

struct audit_record {
    int64_t when_ms;
    uint64_t session;
    char user[]; // what is left of the record, NUL-terminated
};

enum { TRAIL = 256 };
static struct {
    int64_t when_ms;
    uint64_t session;
} trail[TRAIL];
static unsigned trail_next;

struct audit_record *audit_record_new(const char *user, uint64_t session, int64_t now_ms)
{
    size_t size = demo.leak_bytes > sizeof(struct audit_record) + 1 ? demo.leak_bytes : sizeof(struct audit_record) + 1;
    struct audit_record *r = malloc(size);
    if (!r)
        return NULL;
    r->when_ms = now_ms;
    r->session = session;
    size_t room = size - sizeof *r - 1;
    size_t len = strnlen(user, room);
    memcpy(r->user, user, len);
    r->user[len] = 0;
    return r;
}

void audit_record_write(const struct audit_record *r)
{
    trail[trail_next % TRAIL].when_ms = r->when_ms;
    trail[trail_next % TRAIL].session = r->session;
    trail_next++;
}

void audit_record_free(struct audit_record *r)
{
    free(r);
}
