// The watchdog over the probes (run/heap_watch.c): threads of a real process, a region of which this test plays the
// probe. Only processor time used within one walk is a stall.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "linux/proc.h"
#include "run/heap.h"
#include "seep_region.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct rig {
    struct run_heap *heap;
    struct linux_tree *tree;
    pid_t pid;
    int proc_fd, fd;
    struct seep_layout layout;
    uint8_t *base;
};

static struct seep_thread_slot *slot_of(struct rig *r)
{
    return (struct seep_thread_slot *)(r->base + r->layout.threads_offset) + 1;
}

static uint64_t word_of(struct rig *r)
{
    return __atomic_load_n(&((struct seep_control *)(r->base + r->layout.control_offset))->word, __ATOMIC_ACQUIRE);
}

static void make_region(struct rig *r)
{
    const uint64_t size = SEEP_REGION_MIN_BYTES;
    assert_int_equal(seep_layout_compute(size, &r->layout), 0);
    r->fd = memfd_create("watch", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(r->fd, (off_t)size), 0);
    r->base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
    assert_true(r->base != MAP_FAILED);
    assert_int_equal(fcntl(r->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
    struct seep_header *h = (struct seep_header *)r->base;
    seep_region_init(h, (struct seep_control *)(r->base + r->layout.control_offset), &r->layout, size, 0, 0);
    h->pid = (uint32_t)r->pid;
    h->state = SEEP_PROBE_ON; // map_bytes stays 0: no image to look for
    slot_of(r)->owner = (uint32_t)r->pid;
    slot_of(r)->cold = 1;
}

// A child that works, or sleeps, for as long as it lives.
static void rig_start(struct rig *r, int works)
{
    struct seep_err err;
    struct linux_stat st;
    *r = (struct rig){.tree = calloc(1, sizeof *r->tree)};
    r->pid = fork();
    if (r->pid == 0) {
        while (!works)
            pause();
        for (;;)
            ;
    }
    r->proc_fd = linux_proc_open(&err);
    assert_int_equal(linux_stat_read(r->proc_fd, r->pid, &st, &err), 0);
    make_region(r);
    r->heap = heap_new(false, 0, &err);
    assert_int_equal(
        heap_region_add(r->heap, fcntl(r->fd, F_DUPFD_CLOEXEC, 3), -1, 1, r->pid, st.starttime_ticks, true, &err), 0);
    r->tree->count = 1;
    r->tree->nodes[0] =
        (struct linux_tree_node){.pid = r->pid, .starttime_ticks = st.starttime_ticks, .state = 'R', .depth = 1};
}

static void rig_stop(struct rig *r)
{
    kill(r->pid, SIGKILL);
    assert_int_equal(waitpid(r->pid, NULL, 0), r->pid);
    heap_free(r->heap);
    munmap(r->base, r->layout.total_bytes);
    close(r->fd);
    close(r->proc_fd);
    free(r->tree);
}

static struct heap_evidence look(struct rig *r)
{
    struct run_tick *tick = tick_new();
    struct heap_totals totals;
    struct heap_evidence ev;
    heap_sample(r->heap, r->proc_fd, r->tree, false, tick, &totals);
    heap_evidence(r->heap, &ev);
    tick_free(tick);
    return ev;
}

static int64_t cpu_us(struct rig *r)
{
    struct linux_stat st;
    assert_int_equal(linux_thread_stat_read(r->proc_fd, r->pid, r->pid, &st, NULL), 0);
    assert_int_equal(st.pid, r->pid);
    return st.utime_us + st.stime_us;
}

// Until the child has used that much more processor time.
static void let_it_use(struct rig *r, int64_t us)
{
    int64_t from = cpu_us(r);
    while (cpu_us(r) - from < us)
        nanosleep(&(struct timespec){0, 20000000}, NULL);
}

static void test_a_walk_that_uses_a_second_is_a_stall(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, 1);
    assert_false(look(&r).gave_up);
    let_it_use(&r, 1100000);
    struct heap_evidence ev = look(&r);
    assert_true(ev.gave_up && ev.main_gave_up);
    assert_non_null(strstr(ev.trouble, "turned off"));
    assert_true(word_of(&r) & SEEP_WORD_OFF);
    assert_true(word_of(&r) & SEEP_WORD_STALLED);
    heap_set_epoch(r.heap, 1); // the words that follow keep it
    assert_true(word_of(&r) & SEEP_WORD_OFF && word_of(&r) & SEEP_WORD_STALLED);
    rig_stop(&r);
}

// What moves in between is life: another walk, a handler that allocates over one, blocks counted, another owner.
static void test_signs_of_life(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, 1);
    uint64_t *moves[] = {&slot_of(&r)->cold, &slot_of(&r)->alloc_blocks, &slot_of(&r)->free_blocks};
    assert_false(look(&r).gave_up);
    for (int i = 0; i < 3; i++) {
        let_it_use(&r, 600000);
        *moves[i] += 2;
        assert_false(look(&r).gave_up);
    }
    slot_of(&r)->cold++; // even: out of the walk
    assert_false(look(&r).gave_up);
    let_it_use(&r, 1100000);
    assert_false(look(&r).gave_up);
    assert_false(word_of(&r) & SEEP_WORD_OFF);
    rig_stop(&r);
}

static void test_waiting_and_stopped_are_no_stall(void **state)
{
    (void)state;
    for (int stopped = 0; stopped < 2; stopped++) {
        struct rig r;
        rig_start(&r, stopped);
        if (stopped)
            kill(r.pid, SIGSTOP);
        for (int i = 0; i < 3; i++) {
            assert_false(look(&r).gave_up);
            nanosleep(&(struct timespec){0, 500000000}, NULL);
        }
        assert_false(look(&r).gave_up);
        assert_false(word_of(&r) & SEEP_WORD_OFF);
        rig_stop(&r);
    }
}

// A thread that is not the target's, and a process whose numbers are not ours.
static void test_other_numbers(void **state)
{
    (void)state;
    struct rig r;
    rig_start(&r, 1);
    slot_of(&r)->owner = (uint32_t)getpid();
    assert_false(look(&r).gave_up);
    let_it_use(&r, 1100000);
    assert_false(look(&r).gave_up);
    slot_of(&r)->owner = (uint32_t)r.pid;
    ((struct seep_header *)r.base)->pid = 7;
    assert_false(look(&r).gave_up);
    let_it_use(&r, 1100000);
    assert_false(look(&r).gave_up);
    rig_stop(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_walk_that_uses_a_second_is_a_stall),
        cmocka_unit_test(test_signs_of_life),
        cmocka_unit_test(test_waiting_and_stopped_are_no_stall),
        cmocka_unit_test(test_other_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
