// Operations that programs mark: what they count themselves is what stands in their regions, from threads, handlers,
// children and C++, past the ceiling and without a region at all.
#include "probe_rig.h"

#include "seep_wire.h"

struct counts {
    char name[80][64];
    unsigned long long of[80];
    size_t n;
};

// Lines "NAME COUNT"; names may hold blanks.
static void told(char *out, struct counts *c)
{
    c->n = 0;
    for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n")) {
        char *blank = strrchr(line, ' ');
        assert_true(blank && c->n < 80);
        *blank = '\0';
        snprintf(c->name[c->n], sizeof c->name[0], "%s", line);
        c->of[c->n++] = strtoull(blank + 1, NULL, 10);
    }
}

static unsigned long long of(const struct wire_mark *m, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (!strcmp(m[i].name, name))
            return m[i].count;
    return 0;
}

static void compare(struct region_server *s, const struct counts *c)
{
    struct wire_mark m[WIRE_MARKS_MAX];
    struct wire *w = open_region(s, 0);
    size_t n = wire_marks(w, m);
    for (size_t i = 0; i < c->n; i++) {
        if (of(m, n, c->name[i]) != c->of[i])
            fail_msg("%s: %llu were marked, %llu are known", c->name[i], c->of[i], of(m, n, c->name[i]));
    }
    assert_int_equal(n, c->n);
    wire_close(w);
}

static void agrees(uint64_t mean_bytes, char *const argv[], struct region_server *s)
{
    static char out[16384];
    struct counts c;
    *s = (struct region_server){.mean_bytes = mean_bytes};
    region_server_start(s, 0);
    assert_int_equal(region_run(s, argv, NULL, out, sizeof out, 60), 0);
    told(out, &c);
    assert_true(c.n > 0);
    compare(s, &c);
}

#define AGREES(mean, ...)                                                                                              \
    do {                                                                                                               \
        struct region_server server;                                                                                   \
        char *args[] = {__VA_ARGS__, NULL};                                                                            \
        agrees(mean, args, &server);                                                                                   \
        region_server_stop(&server);                                                                                   \
    } while (0)

static void from_threads(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops"), "threads", "2");
    AGREES(0, TARGET("mark_ops"), "threads", "9");
    AGREES(512 << 10, TARGET("mark_ops"), "threads", "40");
}

static void past_the_ceiling_the_others_are_exact(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops"), "many", "63");
    AGREES(0, TARGET("mark_ops"), "many", "75");
    AGREES(0, TARGET("mark_ops"), "many", "5000");
}

static void in_handlers_that_interrupt_marks(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops"), "signals", "2000");
    AGREES(4096, TARGET("mark_ops"), "signals", "500");
}

static void names_of_any_kind(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops"), "names");
}

static void without_an_allocation(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops"), "quiet");
}

static void of_cxx(void **state)
{
    (void)state;
    AGREES(0, TARGET("mark_ops_cxx"));
}

// The children's are their own: nothing of the parent's is in their regions, nothing of theirs in its.
static void of_children(void **state)
{
    (void)state;
    struct region_server s;
    char *argv[] = {TARGET("mark_ops"), "forks", "6", NULL};
    agrees(0, argv, &s);
    assert_int_equal(region_server_count(&s), 7);
    unsigned long long sum = 0;
    for (unsigned i = 1; i < 7; i++) {
        struct wire_mark m[WIRE_MARKS_MAX];
        struct wire *w = open_region(&s, i);
        assert_int_equal(wire_marks(w, m), 1);
        assert_string_equal(m[0].name, "child");
        sum += m[0].count;
        wire_close(w);
    }
    assert_int_equal(sum, 1 + 2 + 3 + 4 + 5 + 6);
    region_server_stop(&s);
}

// The same output, errors and end without seep, and beside a keeper that has no region to give.
static void without_seep(void **state)
{
    (void)state;
    static const char *const kinds[] = {"threads", "many", "forks", "names", "quiet"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        static char bare[4096], refused[4096];
        char *argv[] = {TARGET("mark_ops"), (char *)(uintptr_t)kinds[i], "5", NULL};
        struct region_server s = {.mute = 1};
        assert_int_equal(region_run(NULL, argv, NULL, bare, sizeof bare, 60), 0);
        region_server_start(&s, 0);
        assert_int_equal(region_run(&s, argv, NULL, refused, sizeof refused, 60), 0);
        region_server_stop(&s);
        assert_string_equal(bare, refused);
    }
}

// A writer that died with its name half written, and anything else that may stand there: the sum stays.
static void what_does_not_hold_together_counts_as_others(void **state)
{
    (void)state;
    int fd = region_make(8u << 20, 8u << 20, 0);
    struct seep_layout l;
    struct seep_err err;
    struct wire_mark m[WIRE_MARKS_MAX];
    assert_int_equal(seep_layout_compute(8u << 20, &l), 0);
    uint8_t *base = mmap(NULL, 8u << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(base, MAP_FAILED);
    struct seep_mark_name *name = (struct seep_mark_name *)(base + l.marks_offset);
    struct seep_mark_counts *row = (struct seep_mark_counts *)(base + l.mark_counts_offset);
    struct wire *w = wire_open(fd, &err);
    assert_non_null(w);
    assert_int_equal(wire_marks(w, m), 0);
    name[3] = (struct seep_mark_name){.hash = 5, .ready = 0, .name = "half"};
    row[0].of[3] = 2;
    row[255].of[3] = 3;
    name[4] = (struct seep_mark_name){.hash = 7, .ready = 1};
    row[1].of[4] = 10;
    row[7].of[9] = 1000;                              // nobody's name
    memset(name[63].name, 'z', sizeof name[63].name); // without an end
    name[63].hash = name[63].ready = 1;
    row[9].of[63] = 4;
    assert_int_equal(wire_marks(w, m), 2);
    assert_string_equal(m[0].name, WIRE_MARK_OTHER);
    assert_int_equal(m[0].count, 15);
    assert_int_equal(strlen(m[1].name), WIRE_MARK_BYTES - 1);
    assert_int_equal(m[1].count, 4);
    memset(base + l.marks_offset, 0xff, l.modules_offset - l.marks_offset);
    assert_int_equal(wire_marks(w, m), WIRE_MARKS_MAX);
    wire_close(w);
    munmap(base, 8u << 20);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(from_threads),
        cmocka_unit_test(past_the_ceiling_the_others_are_exact),
        cmocka_unit_test(in_handlers_that_interrupt_marks),
        cmocka_unit_test(names_of_any_kind),
        cmocka_unit_test(without_an_allocation),
        cmocka_unit_test(of_cxx),
        cmocka_unit_test(of_children),
        cmocka_unit_test(without_seep),
        cmocka_unit_test(what_does_not_hold_together_counts_as_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
