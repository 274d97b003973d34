// Which copied stacks can still be checked: the mappings of the process are read after the copy was made.
#include "probe_rig.h"

#include "linux/proc.h"
#include "run/crosscheck.h"
#include "seep_region.h"

#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#define REGION (8u << 20)

struct fixture {
    int fd, proc_fd;
    uint8_t *p; // as the program sees it
    struct seep_layout l;
    struct wire *w;
    struct run_crosscheck c;
    struct wire_copy copy;
};

static void make(struct fixture *f)
{
    struct seep_err err;
    memset(f, 0, sizeof *f);
    f->fd = region_make(REGION, 0, 0);
    f->p = mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    assert_true(f->p != MAP_FAILED);
    assert_int_equal(seep_layout_compute(REGION, &f->l), 0);
    f->w = wire_open(f->fd, &err);
    assert_non_null(f->w);
    f->proc_fd = linux_proc_open(NULL);
    assert_true(f->proc_fd >= 0);
}

static void drop(struct fixture *f)
{
    crosscheck_free(&f->c);
    wire_close(f->w);
    munmap(f->p, REGION);
    close(f->fd);
    close(f->proc_fd);
}

static void log_module(struct fixture *f, uint32_t at, uint32_t unload_epoch)
{
    struct seep_module *m = (struct seep_module *)(f->p + f->l.modules_offset) + at;
    *m = (struct seep_module){.state = unload_epoch == UINT32_MAX ? 1 : 2, .unload_epoch = unload_epoch};
    m->start = 0x1000;
    m->end = 0x2000;
    ((struct seep_header *)f->p)->module_count = at + 1;
}

static size_t added(struct fixture *f, pid_t pid)
{
    size_t before = f->c.n_items;
    crosscheck_add(&f->c, f->proc_fd, pid, f->w, &f->copy);
    return f->c.n_items - before;
}

static void with_the_region_mapped_it_is_the_same_program(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    assert_int_equal(added(&f, getpid()), 1);
    assert_true(f.c.items->n_maps > 0);
    drop(&f);
}

// The process that made the copy has executed another program since: its mappings say nothing of the stack.
static void another_program_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    char *argv[] = {(char *)"sleep", (char *)"1000", NULL}, *envp[] = {NULL};
    pid_t pid;
    int status;
    make(&f);
    assert_int_equal(posix_spawn(&pid, "/bin/sleep", NULL, NULL, argv, envp), 0); // returns once it is executed
    assert_int_equal(added(&f, pid), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(added(&f, pid), 0);
    drop(&f);
}

static void code_that_was_unloaded_is_left_out(void **state)
{
    (void)state;
    struct fixture f;
    make(&f);
    f.copy.frames = 2;
    f.copy.frame[1].module = 1;
    assert_int_equal(added(&f, getpid()), 0); // not written yet
    log_module(&f, 1, UINT32_MAX);
    assert_int_equal(added(&f, getpid()), 1);
    log_module(&f, 1, 7);
    assert_int_equal(added(&f, getpid()), 0);
    f.copy.frames = 1; // generated code, of no module
    assert_int_equal(added(&f, getpid()), 1);
    drop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_the_region_mapped_it_is_the_same_program),
        cmocka_unit_test(another_program_is_left_out),
        cmocka_unit_test(code_that_was_unloaded_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
