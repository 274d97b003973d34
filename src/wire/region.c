// Opening a region and finding one's way in it. Nothing of the layout is read from the region: it follows from fstat's
// size. The seals make SIGBUS impossible: the file can neither shrink nor grow any more.
#include "wire/region.h"

#include "base/check.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int check_file(int fd, struct wire *w, struct seep_err *err)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS), wanted = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    if (seals < 0)
        return seep_fail(err, SEEP_E_CORRUPT, "The descriptor of the shared region is no memory file.");
    if ((seals & wanted) != wanted)
        return seep_fail(err, SEEP_E_CORRUPT,
                         "The shared region is not sealed; its size could change under the reader.");
    if (fstat(fd, &st) < 0)
        return seep_fail(err, SEEP_E_SYSTEM, "The size of the shared region cannot be read.");
    w->bytes = (uint64_t)st.st_size;
    if (seep_layout_compute(w->bytes, &w->layout) < 0)
        return seep_fail(err, SEEP_E_CORRUPT, "A file of %llu bytes cannot be a shared region.",
                         (unsigned long long)w->bytes);
    return 0;
}

static int map_file(struct wire *w, struct seep_err *err)
{
    void *all = mmap(NULL, w->bytes, PROT_READ, MAP_SHARED, w->fd, 0);
    if (all == MAP_FAILED)
        return seep_fail(err, SEEP_E_SYSTEM, "The shared region cannot be mapped for reading.");
    w->base = all;
    void *control =
        mmap(NULL, sizeof *w->control, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, (off_t)w->layout.control_offset);
    if (control == MAP_FAILED)
        return seep_fail(err, SEEP_E_SYSTEM, "The control page of the shared region cannot be mapped.");
    w->control = control;
    const struct seep_header *h = wire_header(w);
    if (wire_load64(&h->magic) != SEEP_WIRE_MAGIC || wire_load32(&h->version) != SEEP_WIRE_VERSION)
        return seep_fail(err, SEEP_E_CORRUPT, "The shared region is not of this version of seep.");
    if (wire_load64(&h->layout_check) != seep_layout_check(&w->layout))
        return seep_fail(err, SEEP_E_CORRUPT,
                         "The shared region is of another build of seep; install its parts together.");
    return 0;
}

struct wire *wire_open(int fd, struct seep_err *err)
{
    struct wire *w = calloc(1, sizeof *w);
    if (!w) {
        seep_fail(err, SEEP_E_SYSTEM, "There is no memory to open a shared region.");
        return NULL;
    }
    w->magic = WIRE_MAGIC;
    w->fd = -1;
    if (check_file(fd, w, err) < 0 || (w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0 || map_file(w, err) < 0) {
        wire_close(w);
        return NULL;
    }
    w->word = wire_load64(&w->control->word);
    w->ring_tail = wire_load64(&w->control->ring_tail);
    w->tick_wanted = SEEP_WORD_TICK(w->word);
    for (uint32_t i = 0; i < SEEP_EPOCHS; i++)
        w->mean[i] = wire_load64(&w->control->mean_of_epoch[i]);
    return w;
}

int wire_fd(const struct wire *w)
{
    return w->fd;
}

void wire_close(struct wire *w)
{
    if (!w)
        return;
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    if (w->base)
        munmap((void *)(uintptr_t)w->base, w->bytes);
    if (w->control)
        munmap(w->control, sizeof *w->control);
    if (w->fd >= 0)
        close(w->fd);
    w->magic = 0;
    free(w);
}

// A string out of the region: at most size - 1 bytes, always ended.
static void copy_string(char *to, const char *from, size_t size)
{
    memcpy(to, from, size - 1);
    to[size - 1] = 0;
}

void wire_hello(struct wire *w, struct wire_hello *out)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    const struct seep_header *h = wire_header(w);
    memset(out, 0, sizeof *out);
    uint32_t state = wire_load32(&h->state);
    out->attached = state == SEEP_PROBE_ON || state == SEEP_PROBE_OFF;
    out->off = state == SEEP_PROBE_OFF;
    if (!out->attached)
        return;
    out->off_reason = wire_load32(&h->off_reason);
    out->pid = wire_load32(&h->pid);
    out->forked = wire_load32(&h->forked) != 0;
    out->heritage = (uint32_t)wire_load64(&h->heritage);
    out->parent_time_ns = wire_load64(&h->parent_time_ns);
    out->attach_time_ns = wire_load64(&h->attach_time_ns);
    out->map_address = wire_load64(&h->map_address);
    out->map_bytes = wire_load64(&h->map_bytes);
    if (out->map_bytes > w->bytes)
        out->map_bytes = w->bytes;
    out->flags = wire_load64(&h->flags);
    copy_string(out->exe_path, h->exe_path, sizeof out->exe_path);
}

const void *wire_chunk(const struct wire *w, uint32_t chunk)
{
    uint64_t end = w->layout.pool_offset + (uint64_t)(chunk + 1ull) * SEEP_CHUNK_BYTES;
    if (chunk == 0 || chunk >= w->layout.pool_chunks || end > wire_load64(&w->control->committed_bytes))
        return NULL;
    return w->base + end - SEEP_CHUNK_BYTES;
}

uint32_t wire_stack_ids(const struct wire *w)
{
    uint64_t n = wire_load64(&wire_header(w)->stack_count);
    return (uint32_t)(n > w->layout.stacks ? w->layout.stacks : n);
}

int wire_copy_stack(const struct wire *w, uint32_t id, struct seep_stack *out)
{
    if (id == SEEP_STACK_NONE || id >= w->layout.stacks)
        return -1;
    const uint32_t *dir = (const uint32_t *)(w->base + w->layout.stack_dir_offset);
    const struct seep_stack *chunk = wire_chunk(w, wire_load32(&dir[id / SEEP_STACKS_PER_CHUNK]));
    if (!chunk)
        return -1;
    const struct seep_stack *s = &chunk[id % SEEP_STACKS_PER_CHUNK];
    // What was freed is read before what was allocated: the difference can then only be too large, never negative.
    struct seep_shard freed[SEEP_SHARDS];
    for (uint32_t i = 0; i < SEEP_SHARDS; i++) {
        const struct seep_shard *from = i ? &s->own[i - 1].shard : &s->shared;
        freed[i].free_bytes = wire_load64(&from->free_bytes);
        freed[i].free_blocks_q8 = wire_load64(&from->free_blocks_q8);
    }
    memcpy(out, s, sizeof *out);
    for (uint32_t i = 0; i < SEEP_SHARDS; i++) {
        struct seep_shard *to = i ? &out->own[i - 1].shard : &out->shared;
        to->free_bytes = freed[i].free_bytes;
        to->free_blocks_q8 = freed[i].free_blocks_q8;
    }
    if (!(out->flags & SEEP_STACK_READY) || out->flags & SEEP_STACK_DEAD || out->klass > SEEP_CLASS_MMAP_FILE ||
        out->frames > SEEP_FRAMES_MAX)
        return -1;
    return 0;
}

void wire_decode_frame(const struct wire *w, uint64_t word, struct wire_frame *out)
{
    out->pc = SEEP_FRAME_PC(word);
    out->exact = (word & SEEP_FRAME_EXACT) != 0;
    out->module = SEEP_FRAME_MODULE(word) < w->layout.modules ? SEEP_FRAME_MODULE(word) : 0;
}

size_t wire_copy_frames(const struct wire *w, const struct seep_stack *s, struct wire_frame *out, size_t max)
{
    const uint32_t *dir = (const uint32_t *)(w->base + w->layout.frame_dir_offset);
    uint32_t at = s->frame_offset, n = s->frames;
    if (n == 0 || n > max || n > SEEP_FRAMES_MAX || at / SEEP_FRAMES_PER_CHUNK >= w->layout.pool_chunks ||
        at % SEEP_FRAMES_PER_CHUNK + n > SEEP_FRAMES_PER_CHUNK)
        return 0;
    const uint64_t *chunk = wire_chunk(w, wire_load32(&dir[at / SEEP_FRAMES_PER_CHUNK]));
    if (!chunk)
        return 0;
    for (uint32_t i = 0; i < n; i++)
        wire_decode_frame(w, wire_load64(&chunk[at % SEEP_FRAMES_PER_CHUNK + i]), &out[i]);
    return n;
}

uint64_t wire_mean_of(const struct wire *w, uint32_t epoch)
{
    return w->mean[epoch % SEEP_EPOCHS];
}

int wire_reserve(void **array, size_t *room, size_t need, size_t each)
{
    if (need <= *room)
        return 0;
    size_t want = *room ? *room : 256;
    while (want < need)
        want *= 2;
    void *grown = reallocarray(*array, want, each);
    if (!grown)
        return -1;
    *array = grown;
    *room = want;
    return 0;
}
