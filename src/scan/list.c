// A list of blocks instead of a probe's region: written by the supervisor, who watches the program from outside, read
// by the scan worker. See scan.h.
//
// It is a memfd: a page with what concerns all blocks, then the blocks. Its writer is seep itself, so it is believed,
// but for its size. While the worker reads, the supervisor does not write: lists are made before the worker starts and
// when it asks.
#include "scan/internal.h"

#include "base/clock.h"
#include "seep_wire.h"

#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES   4096u
#define FIRST_ROOM   4096u
#define ASK_PAUSE_MS 2

struct list_head {
    uint64_t n, missed;
    uint32_t epoch, glibc;
};
_Static_assert(sizeof(struct list_head) <= HEAD_BYTES, "the head has a page of its own");

static size_t bytes_for(size_t blocks)
{
    return HEAD_BYTES + blocks * sizeof(struct scan_listed);
}

// ---- writing

int scan_list_open(struct scan_list *l)
{
    l->fd = memfd_create("seep-blocks", MFD_CLOEXEC);
    return l->fd < 0 ? -1 : 0;
}

static void unmap(struct scan_list *l)
{
    if (l->at)
        munmap(l->at, bytes_for(l->room));
    l->at = NULL;
    l->n = l->room = 0;
}

static int map(struct scan_list *l, size_t room)
{
    if (ftruncate(l->fd, (off_t)bytes_for(room)) < 0)
        return -1;
    void *at = l->at ? mremap(l->at, bytes_for(l->room), bytes_for(room), MREMAP_MAYMOVE)
                     : mmap(NULL, bytes_for(room), PROT_READ | PROT_WRITE, MAP_SHARED, l->fd, 0);
    if (at == MAP_FAILED)
        return -1;
    l->at = at;
    l->room = room;
    return 0;
}

void scan_list_empty(struct scan_list *l)
{
    unmap(l);
    (void)!ftruncate(l->fd, 0);
}

void scan_list_close(struct scan_list *l)
{
    unmap(l);
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

int scan_list_begin(struct scan_list *l, const struct scan_list_head *head)
{
    l->n = 0;
    if (!l->at && map(l, FIRST_ROOM))
        return -1;
    *(struct list_head *)(void *)l->at =
        (struct list_head){.missed = head->missed, .epoch = head->epoch, .glibc = head->glibc};
    return 0;
}

int scan_list_add(struct scan_list *l, const struct wire_block *b)
{
    if (l->n == l->room && map(l, 2 * l->room))
        return -1;
    struct scan_listed *list = (void *)(l->at + HEAD_BYTES);
    list[l->n++] = (struct scan_listed){.address = b->address, .bytes = b->bytes, .stack = b->stack, .epoch = b->epoch};
    ((struct list_head *)(void *)l->at)->n = l->n;
    return 0;
}

int scan_list_fill(struct scan_list *l)
{
    int rc = l->fill(l, l->ctx);
    return rc == 0 && l->at ? 0 : -1; // it must at least have begun
}

// ---- reading

int scan_table_open(struct scan_table *t, struct scan_box *box, int fd, struct scan_list *here)
{
    *t = (struct scan_table){.box = box, .list_fd = fd, .here = here};
    if (!box->listed)
        t->wire = wire_open(fd, NULL);
    return box->listed || t->wire ? 0 : -1;
}

void scan_table_close(struct scan_table *t)
{
    if (t->wire)
        wire_close(t->wire);
}

static bool read_head(const struct scan_table *t, struct list_head *head)
{
    struct stat st;
    return pread(t->list_fd, head, sizeof *head, 0) == (ssize_t)sizeof *head && fstat(t->list_fd, &st) == 0 &&
           st.st_size >= HEAD_BYTES && head->n <= ((uint64_t)st.st_size - HEAD_BYTES) / sizeof(struct scan_listed);
}

static int each_listed(const struct scan_table *t, wire_visit *visit, void *arg)
{
    struct list_head head;
    int rc = 0;
    if (!read_head(t, &head))
        return -1;
    const uint8_t *at = mmap(NULL, bytes_for(head.n), PROT_READ, MAP_SHARED, t->list_fd, 0);
    if (at == MAP_FAILED)
        return -1;
    const struct scan_listed *list = (const void *)(at + HEAD_BYTES);
    for (uint64_t i = 0; i < head.n && rc == 0; i++) {
        struct wire_block b = {
            .address = list[i].address, .bytes = list[i].bytes, .stack = list[i].stack, .epoch = list[i].epoch};
        rc = visit(arg, &b);
    }
    munmap((void *)(uintptr_t)at, bytes_for(head.n));
    return rc;
}

int scan_table_each(const struct scan_table *t, wire_visit *visit, void *arg)
{
    return t->wire ? wire_scan_live(t->wire, visit, arg) : each_listed(t, visit, arg);
}

int scan_table_again(struct scan_table *t, int64_t deadline_ns, enum scan_trouble *trouble)
{
    uint32_t answer = SCAN_ANSWER_NONE;
    if (t->wire)
        return 0;
    if (t->here)
        answer = scan_list_fill(t->here) == 0 ? SCAN_ANSWER_NEW : SCAN_ANSWER_NO;
    else
        __atomic_store_n(&t->box->asked, 1, __ATOMIC_RELEASE);
    while (answer == SCAN_ANSWER_NONE && clock_mono_ns() < deadline_ns) {
        poll(NULL, 0, ASK_PAUSE_MS);
        answer = __atomic_load_n(&t->box->answered, __ATOMIC_ACQUIRE);
    }
    if (answer == SCAN_ANSWER_NEW)
        return 0;
    *trouble = answer == SCAN_ANSWER_NONE ? SCAN_TIME : SCAN_BEHIND;
    return -1;
}

uint32_t scan_table_epoch(const struct scan_table *t)
{
    struct list_head head;
    if (t->wire)
        return wire_epoch(t->wire);
    return read_head(t, &head) ? head.epoch : 0;
}

bool scan_table_of_glibc(const struct scan_table *t)
{
    struct list_head head;
    struct wire_allocator a;
    if (t->wire)
        return wire_allocator_stats(t->wire, &a) == 0 && a.kind == SEEP_ALLOC_GLIBC;
    return read_head(t, &head) && head.glibc;
}

uint64_t scan_table_missed(const struct scan_table *t)
{
    struct list_head head;
    if (t->wire)
        return 0;
    return read_head(t, &head) ? head.missed : UINT64_MAX / 2;
}
