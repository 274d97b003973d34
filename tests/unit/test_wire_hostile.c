// The reader against regions full of lies: whatever stands in them, it ends, stays within its bounds and says no more
// than holds together.
#include "probe_rig.h"
#include "read_region.h"

#include "seep_region.h"

#define REGION (8u << 20)

struct fixture {
    int fd;
    uint8_t *p;
    struct seep_layout l;
    struct wire *w;
};

static void make(struct fixture *f)
{
    struct seep_err err;
    f->fd = region_make(REGION, 0, 0);
    f->p = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    assert_true(f->p != MAP_FAILED);
    assert_int_equal(seep_layout_compute(REGION, &f->l), 0);
    f->w = wire_open(f->fd, &err);
    assert_non_null(f->w);
}

static void drop(struct fixture *f)
{
    wire_close(f->w);
    munmap(f->p, REGION);
    close(f->fd);
}

static uint64_t next(uint64_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 7;
    *x ^= *x << 17;
    return *x;
}

static void scribble(struct fixture *f, uint64_t *x, uint64_t offset, uint64_t bytes, int style)
{
    for (uint64_t i = 0; i + 8 <= bytes; i += 8) {
        uint64_t v = next(x);
        v = style == 0 ? v : style == 1 ? v & 0xff000000ffull : style == 2 ? ~0ull : v % 300;
        memcpy(f->p + offset + i, &v, sizeof v);
    }
}

static void test_random_bytes(void **state)
{
    (void)state;
    uint64_t x = 88172645463325252ull;
    for (int round = 0; round < 12; round++) {
        struct fixture f;
        make(&f);
        scribble(&f, &x, 24, 4096 - 24, round % 4);
        scribble(&f, &x, f.l.control_offset, sizeof(struct seep_control), round % 3);
        scribble(&f, &x, f.l.threads_offset, REGION - f.l.threads_offset, (round / 4 + round) % 4);
        read_region(f.w);
        drop(&f);
    }
}

static void test_cursors_out_of_range(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    struct seep_header *h = (struct seep_header *)f.p;
    static const uint64_t lies[] = {UINT64_MAX, 1ull << 63, 1ull << 32, UINT32_MAX, 0};
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
        h->stack_count = h->module_count = h->ring_head = h->frame_next = h->pool_next = lies[i];
        h->map_bytes = h->total_bytes = lies[i];
        ((struct seep_control *)(f.p + f.l.control_offset))->committed_bytes = lies[i];
        read_region(f.w);
    }
    drop(&f);
}

static void test_every_range_names_one_chunk(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    struct seep_live_range *dir = (struct seep_live_range *)(f.p + f.l.live_dir_offset);
    for (uint32_t i = 0; i < f.l.live_dir; i++)
        dir[i] = (struct seep_live_range){.key = i + 1, .chunk = {5, 5, 5, 5}};
    uint64_t *words = (uint64_t *)(f.p + f.l.pool_offset + 5 * SEEP_CHUNK_BYTES);
    for (unsigned i = 0; i < SEEP_CHUNK_BYTES / 8; i++)
        words[i] = SEEP_LIVE_WORD(0, 3, SEEP_STACK_FIRST, 100, 0);
    struct wire_age_profile age = {0};
    struct seep_err err;
    assert_int_equal(wire_age_profile(f.w, 0, &age, &err), 0);
    assert_int_equal(age.rows, 1);
    // The work is bounded by the pool, not by the directory.
    assert_true(age.blocks_seen <= (uint64_t)f.l.pool_chunks * (SEEP_CHUNK_BYTES / 8));
    wire_age_profile_free(&age);
    drop(&f);
}

static void *vandal(void *arg)
{
    struct fixture *f = ((void **)arg)[0];
    volatile int *stop = ((void **)arg)[1];
    uint64_t x = 12345;
    while (!*stop) {
        uint64_t at = next(&x) % (REGION - 8) & ~7ull, v = next(&x) % 4 ? next(&x) % 512 : next(&x);
        if (at > 32)
            __atomic_store_n((uint64_t *)(f->p + at), v, __ATOMIC_RELAXED);
        at = next(&x) % 1024 & ~7ull; // the header most of all
        if (at > 32)
            __atomic_store_n((uint64_t *)(f->p + at), v, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void test_scribbled_on_while_read(void **state)
{
    (void)state;
    struct fixture f;
    volatile int stop = 0;
    void *arg[] = {&f, (void *)(uintptr_t)&stop};
    pthread_t t;
    make(&f);
    assert_int_equal(pthread_create(&t, NULL, vandal, arg), 0);
    for (int i = 0; i < 30; i++)
        read_region(f.w);
    stop = 1;
    pthread_join(t, NULL);
    drop(&f);
}

static void test_an_unfinished_copy_is_passed_over(void **state)
{
    (void)state;
    static struct wire_copy copy;
    struct fixture f;
    make(&f);
    struct seep_header *h = (struct seep_header *)f.p;
    struct seep_ring_record *r = (struct seep_ring_record *)(f.p + f.l.ring_offset);
    h->ring_head = 2;
    r[1].sequence = 2;
    r[1].stack = 77;
    r[1].frames = 1;
    r[1].frame[0] = 0x1234 | SEEP_FRAME_EXACT;
    r[1].stack_bytes = 16;
    int calls = 0;
    while (wire_ring_read(f.w, &copy) == 0)
        assert_true(++calls < 20);
    assert_true(calls >= 2); // the writer gets some time
    assert_int_equal(copy.stack, 77);
    assert_int_equal(copy.frames, 1);
    assert_int_equal(copy.frame[0].pc, 0x1234);
    assert_true(copy.frame[0].exact);
    assert_int_equal(wire_ring_read(f.w, &copy), 0);
    drop(&f);
}

static void refuse(int fd, const char *part)
{
    struct seep_err err;
    assert_null(wire_open(fd, &err));
    assert_non_null(strstr(err.text, part));
    close(fd);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    int fd = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, REGION), 0);
    refuse(fd, "not sealed");
    fd = memfd_create("odd", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, REGION + 1), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    refuse(fd, "cannot be a shared region");
    fd = memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, REGION), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    refuse(fd, "version");
    refuse(open("/dev/null", O_RDONLY | O_CLOEXEC), "no memory file");
}

static void test_layouts_fit(void **state)
{
    (void)state;
    for (uint64_t bytes = SEEP_REGION_MIN_BYTES; bytes <= 32ull << 30; bytes = (bytes * 5 / 4 + 32767) & ~32767ull) {
        struct seep_layout l;
        assert_int_equal(seep_layout_compute(bytes, &l), 0);
        assert_true(l.pool_offset + (uint64_t)l.pool_chunks * SEEP_CHUNK_BYTES <= bytes);
        assert_true(l.pool_chunks >= 16 && l.pool_offset < bytes / 2);
        assert_true(l.ring_offset + (uint64_t)l.ring * SEEP_RING_SLOT_BYTES <= l.pool_offset);
        assert_true(seep_region_first_commit(&l) >= l.pool_offset && seep_region_first_commit(&l) <= bytes);
    }
    struct seep_layout l;
    assert_int_equal(seep_layout_compute(SEEP_REGION_MIN_BYTES - SEEP_CHUNK_BYTES, &l), -1);
    assert_int_equal(seep_layout_compute(SEEP_REGION_MIN_BYTES + 1, &l), -1);
    assert_int_equal(seep_region_size_for(64 << 20, 1 << 20), 0);
    assert_int_equal(seep_region_size_for(64 << 20, UINT64_MAX), 64 << 20);
}

static void test_epochs_only_go_forward(void **state)
{
    (void)state;
    struct fixture f;
    struct seep_err err;
    make(&f);
    assert_int_equal(wire_set_epoch(f.w, 5, 4096, &err), 0);
    assert_int_equal(wire_set_epoch(f.w, 4, 4096, &err), -1);
    assert_int_equal(wire_set_epoch(f.w, 5, 8192, &err), -1); // blocks of epoch 5 have their weight already
    assert_int_equal(wire_set_epoch(f.w, 1024, 0, &err), -1);
    assert_int_equal(wire_set_sampling(f.w, 0, &err), 0);
    assert_int_equal(wire_epoch(f.w), 6);
    assert_int_equal(wire_set_epoch(f.w, 1023, 0, &err), 0);
    assert_int_equal(wire_set_sampling(f.w, 4096, &err), -1);
    struct seep_control *c = (struct seep_control *)(f.p + f.l.control_offset);
    assert_int_equal(c->mean_of_epoch[5], 4096);
    assert_int_equal(c->mean_of_epoch[6], 0);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_cursors_out_of_range),
        cmocka_unit_test(test_every_range_names_one_chunk),
        cmocka_unit_test(test_scribbled_on_while_read),
        cmocka_unit_test(test_an_unfinished_copy_is_passed_over),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_layouts_fit),
        cmocka_unit_test(test_epochs_only_go_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
