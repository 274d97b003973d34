// How much stack and memory the probe takes of a program's own: signal handlers, fibers and threads may have little of
// it. Painted below each kind of call, bare and under the probe (tests/targets/stack_use.c), and by resident memory
// with thousands of threads alive; bytes are compared, no times. SEEP_HARM_SCALE multiplies the threads.
#include "probe_rig.h"

#define MOST_BYTES   3584 // by any call, whatever it has to do
#define AGAIN_BYTES  512  // by a call whose stack was met before
#define CASES_MAX    20
#define THREAD_BYTES 1024 // of resident memory for each thread

struct use {
    char name[24];
    long bytes;
};

static size_t measure(struct region_server *s, struct use *use)
{
    static char out[4096];
    char *argv[] = {TARGET("stack_use"), TARGET(""), NULL};
    size_t n = 0;
    assert_int_equal(region_run(s, argv, NULL, out, sizeof out, 60), 0);
    for (char *line = strtok(out, "\n"); line; line = strtok(NULL, "\n"), n++) {
        assert_true(n < CASES_MAX);
        assert_int_equal(sscanf(line, "%23s %ld", use[n].name, &use[n].bytes), 2);
    }
    assert_int_equal(n, 12);
    return n;
}

// flags: of the probe; mean_bytes: 0 exact.
static void takes_little(unsigned flags, uint64_t mean_bytes)
{
    struct use bare[CASES_MAX], probed[CASES_MAX];
    struct region_server s = {.mean_bytes = mean_bytes};
    long most = 0;
    size_t n = measure(NULL, bare);
    region_server_start(&s, flags);
    measure(&s, probed);
    assert_true(region_server_count(&s) >= 6); // itself and its children
    region_server_stop(&s);
    for (size_t i = 0; i < n; i++) {
        long more = probed[i].bytes - bare[i].bytes;
        assert_string_equal(probed[i].name, bare[i].name);
        printf("flags %u mean %llu: %-12s %5ld bytes, %5ld bare\n", flags, (unsigned long long)mean_bytes, bare[i].name,
               probed[i].bytes, bare[i].bytes);
        assert_true(bare[i].bytes > 0 && probed[i].bytes < 40000); // within what was painted
        assert_true(more <= MOST_BYTES);
        if (strcmp(bare[i].name, "again") == 0 && !(flags & 2) && !mean_bytes)
            assert_true(more <= AGAIN_BYTES);
        most = more > most ? more : most;
    }
    assert_true(mean_bytes || most > 1000); // it did walk
}

static void test_takes_little_stack(void **state)
{
    (void)state;
    takes_little(0, 0);
    takes_little(2, 0); // no remembered stacks
    takes_little(4, 0); // no remembered rules
}

static void test_takes_little_stack_of_an_older_libc(void **state)
{
    (void)state;
    takes_little(1, 0); // objects are found by the loader's list
}

static void test_takes_little_stack_sampled(void **state)
{
    (void)state;
    takes_little(0, 64); // nearly each call a sample
}

static long a_thread(struct region_server *s, char *threads)
{
    char out[64], *argv[] = {TARGET("threads_rss"), threads, NULL};
    long bytes = -1;
    int status = region_run(s, argv, NULL, out, sizeof out, 120);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); // this machine allows fewer threads
    assert_int_equal(status, 0);
    assert_int_equal(sscanf(out, "%ld a thread", &bytes), 1);
    return bytes;
}

static void takes_little_per_thread(uint64_t mean_bytes)
{
    const char *scale = getenv("SEEP_HARM_SCALE");
    char threads[16];
    struct region_server s = {.mean_bytes = mean_bytes};
    snprintf(threads, sizeof threads, "%d", 2500 * (scale && atoi(scale) > 0 ? atoi(scale) : 1));
    long bare = a_thread(NULL, threads);
    region_server_start(&s, 0);
    long probed = a_thread(&s, threads);
    region_server_stop(&s);
    printf("%s threads, mean %llu: %ld bytes a thread, %ld bare\n", threads, (unsigned long long)mean_bytes, probed,
           bare);
    assert_true(bare > 4096);
    assert_true(probed - bare <= THREAD_BYTES);
}

static void test_takes_little_per_thread(void **state)
{
    (void)state;
    takes_little_per_thread(0);
    takes_little_per_thread(512 << 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_little_stack),
        cmocka_unit_test(test_takes_little_stack_of_an_older_libc),
        cmocka_unit_test(test_takes_little_stack_sampled),
        cmocka_unit_test(test_takes_little_per_thread),
    };
    return cmocka_run_group_tests_name("stack", tests, NULL, NULL);
}
