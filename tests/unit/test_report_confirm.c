// What `seep confirm` kept with a run, as each format for people shows it.
#include "report/names.h"
#include "report_rig.h"

// A run whose two first stacks have an answer of valgrind's; the sentences hold markup.
static struct report *confirmed(struct rig *rig, const char *reason)
{
    struct synth s = hour_run();
    struct store *st;
    struct report *r = synth_report(rig, &s, NULL);
    char kept[1000];
    snprintf(kept, sizeof kept,
             "{\"schema\":\"seep.confirm/1\",\"verdict\":\"partly\",\"headline\":\"1 of 2 growing call stacks are "
             "confirmed by memcheck\",\"tool\":\"valgrind-3.19.0\",\"reason_text\":%s,\"stacks\":["
             "{\"stack\":%lld,\"status\":\"lost\",\"reason\":\"4 KB in 9 blocks are lost <img src=x>\"},"
             "{\"stack\":%lld,\"status\":\"not_seen\",\"reason\":\"Too short | for it\"}]}",
             reason, (long long)r->stacks[0].id, (long long)r->stacks[1].id);
    report_free(r);
    OK(store_open_write(rig->fd, &st, &fault));
    OK(store_set_meta(st, M_CONFIRM, kept, &fault));
    store_close(st);
    OK(store_open_read(rig->fd, &st, &fault));
    OK(report_build(st, NULL, &r, &fault));
    store_close(st);
    return r;
}

static void assert_says(const struct report *r, const char *format, const char *const *words, bool says)
{
    char *text = synth_format(r, format, NULL, NULL);
    for (; *words != NULL; words++)
        if ((strstr(text, *words) != NULL) != says)
            fail_msg("%s %s: %s", format, says ? "lacks" : "has", *words);
    free(text);
}

static void each_stack_has_its_answer_and_why(void **state)
{
    static const char *const html[] = {"<dt>valgrind</dt><dd><b>confirmed lost</b>: 4 KB in 9 blocks are lost &lt;img",
                                       "<dt>valgrind</dt><dd><b>not seen</b>: Too short | for it</dd>",
                                       "Replayed under valgrind-3.19.0: 1 of 2 growing call stacks are confirmed",
                                       NULL};
    static const char *const md[] = {"### The growing stacks under valgrind\n\nReplayed under valgrind",
                                     " confirmed lost: 4 KB", " not seen: Too short \\| for it\n", NULL};
    struct report *r = confirmed(*state, "null");
    assert_says(r, "html", html, true);
    assert_says(r, "md", md, true);
    assert_says(r, "html", (const char *const[]){"<img", NULL}, false);
    assert_says(r, "md", (const char *const[]){"<img", NULL}, false);
    report_free(r);
}

static void a_replay_that_went_wrong_says_why(void **state)
{
    static const char *const why[] = {"confirmed by memcheck. It hung", NULL};
    struct report *r = confirmed(*state, "\"It hung\"");
    assert_says(r, "html", why, true);
    assert_says(r, "md", why, true);
    report_free(r);
}

static void no_replay_is_not_spoken_of(void **state)
{
    static const char *const words[] = {"under valgrind", "<dt>valgrind", NULL};
    struct synth s = hour_run();
    struct report *r = synth_report(*state, &s, NULL);
    assert_says(r, "html", words, false);
    assert_says(r, "md", words, false);
    report_free(r);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(each_stack_has_its_answer_and_why),
        T(a_replay_that_went_wrong_says_why),
        T(no_replay_is_not_spoken_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
