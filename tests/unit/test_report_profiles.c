// Profiles for other tools: pprof decoded by protoc, speedscope against its schema, folded stacks; with growth that is
// negative, names that are hostile, frames that are inlined, and thousands of stacks.
#include "nasty_names.h"
#include "report/intern.h"
#include "report_rig.h"

#include <jansson.h>

static const struct synth run = {
    .ticks = 289, .interval_s = 300, .stacks = 40, .leak_per_s = 900, .idle_ticks = 12, .name = NULL};

static bool have_protoc(void)
{
    return shell("command -v protoc >/dev/null") == 0;
}

// What read_pprof.py says of the report, or NULL where a program for that is missing.
static char *decoded(const struct rig *rig, const struct report *r)
{
    char path[300], text_path[320];
    size_t len;
    if (!have_protoc()) {
        print_message("protobuf-compiler is not installed\n");
        return NULL;
    }
    char *gz = synth_format(r, "pprof", NULL, &len);
    assert_true(len > 20 && (unsigned char)gz[0] == 0x1f && (unsigned char)gz[1] == 0x8b);
    write_temp(rig, "growth.pb.gz", gz, len, path);
    free(gz);
    snprintf(text_path, sizeof text_path, "%s.txt", path);
    assert_int_equal(
        shell("/usr/bin/python3 '%s/tests/lib/read_pprof.py' '%s' >'%s'", SEEP_SOURCE_DIR, path, text_path), 0);
    char *text = calloc(1, 16 << 20);
    FILE *f = fopen(text_path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, (16 << 20) - 1, f) > 0);
    fclose(f);
    return text;
}

static size_t lines_with(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, what)); p++)
        n++;
    return n;
}

static void pprof_has_every_stack_with_its_numbers(void **state)
{
    struct synth s = run;
    struct report *r = synth_report(*state, &s, NULL);
    char *text = decoded(*state, r), line[400];
    if (!text) {
        report_free(r);
        skip();
    }
    assert_non_null(strstr(text, "types growth_rate/bytes/hour inuse_objects/count inuse_space/bytes "
                                 "alloc_objects/count alloc_space/bytes\ndefault growth_rate\n"));
    assert_non_null(strstr(text, "mapping 1 /srv/app/server 8c2f\n"));
    const struct report_stack *leak = &r->stacks[0];
    snprintf(line, sizeof line, "\nmain;dispatch;handle_0;session_new|%.0f %.0f %.0f %.0f %.0f|",
             leak->judge.slope_per_s * 3600, leak->live_blocks, leak->judge.live_bytes, leak->alloc_blocks,
             leak->alloc_bytes);
    assert_non_null(strstr(text, line));
    assert_true(leak->alloc_bytes >= leak->judge.live_bytes);
    assert_int_equal(lines_with(text, " grows=yes growth_from="), r->judge_stacks.n_rejected);
    assert_int_equal(lines_with(text, "main;dispatch;"), 40);
    assert_non_null(strstr(text, "|-")); // a rate below zero stays one
    assert_int_equal(lines_with(text, "growth_from="), 40);
    free(text);
    report_free(r);
}

static void pprof_without_stacks_says_why(void **state)
{
    struct synth s = run;
    s.no_stacks = "A static executable cannot be attributed.";
    struct report *r = synth_report(*state, &s, NULL);
    char *text = decoded(*state, r);
    if (text)
        assert_non_null(strstr(text, "comment A static executable cannot be attributed."));
    free(text);
    report_free(r);
}

// Three calls at one address are one location with three lines; the next address begins another.
static void pprof_inlined_calls_share_a_location(void **state)
{
    struct synth s = run;
    struct report *r = synth_report(*state, &s, NULL);
    struct report_frame frames[] = {
        {.function = "inner", .file = "/a.c", .line = 3, .module = "/srv/app/server", .offset = 0x10, .inlined = true},
        {.function = "middle", .file = "/a.c", .line = 9, .module = "/srv/app/server", .offset = 0x10, .inlined = true},
        {.function = "outer", .file = "/a.c", .line = 20, .module = "/srv/app/server", .offset = 0x10},
        {.module = "/srv/app/plugin.so", .offset = 0x1234},
    };
    r->stacks[0].frames = frames;
    r->stacks[0].n_frames = 4;
    r->n_profiled = 1;
    char *text = decoded(*state, r);
    if (text)
        assert_non_null(strstr(text, "\nplugin.so+0x1234;outer;middle;inner|"));
    r->n_profiled = 40;
    free(text);
    report_free(r);
}

static void what_is_past_the_ceiling_is_summed(void **state)
{
    struct synth s = run;
    struct report *r = synth_report(*state, &s, NULL);
    r->rest.n = 7;
    r->rest.slope_per_s = -1;
    r->rest.live_bytes = 700;
    r->rest.live_blocks = 70;
    r->rest.alloc_bytes = 7000;
    r->rest.alloc_blocks = 77;
    char *text = decoded(*state, r);
    if (text)
        assert_non_null(strstr(text, "\n(other)|-3600 70 700 77 7000|"));
    free(text);
    report_free(r);
}

static json_t *speedscope_of(const struct rig *rig, const struct report *r)
{
    char path[300], *text = synth_format(r, "speedscope", NULL, NULL);
    json_error_t why;
    write_temp(rig, "growth.speedscope.json", text, strlen(text), path);
    if (have_jsonschema())
        assert_int_equal(check_json_schema("tests/lib/speedscope.schema.json", path), 0);
    json_t *root = json_loads(text, 0, &why);
    assert_non_null(root);
    free(text);
    return root;
}

// Samples and weights of one profile agree: the same number, indices in range, the end is the sum.
static json_int_t check_view(json_t *root, size_t at)
{
    json_t *view = json_array_get(json_object_get(root, "profiles"), at), *sample, *index;
    json_t *samples = json_object_get(view, "samples"), *weights = json_object_get(view, "weights");
    size_t frames = json_array_size(json_object_get(json_object_get(root, "shared"), "frames")), i, k;
    json_int_t sum = 0;
    assert_int_equal(json_array_size(samples), json_array_size(weights));
    json_array_foreach(samples, i, sample)
    {
        json_array_foreach(sample, k, index) assert_true((size_t)json_integer_value(index) < frames);
        sum += json_integer_value(json_array_get(weights, i));
    }
    assert_int_equal(json_integer_value(json_object_get(view, "endValue")), sum);
    return sum;
}

static void speedscope_follows_its_schema(void **state)
{
    struct synth s = run;
    struct report *r = synth_report(*state, &s, NULL);
    json_t *root = speedscope_of(*state, r);
    double grown = 0, fallen = 0;
    for (size_t i = 0; i < r->n_profiled; i++) {
        double rate = r->stacks[i].judge.slope_per_s * 3600;
        grown += r->stacks[i].judge.rejected && rate > 0 ? rate : 0;
        fallen += rate < 0 ? -rate : 0;
    }
    assert_true(grown > 0 && fallen > 0);
    assert_true(fabs((double)check_view(root, 0) - grown) <= 40);
    assert_true(check_view(root, 1) >= check_view(root, 0));
    assert_true(fabs((double)check_view(root, 2) - fallen) <= 40);
    assert_true(check_view(root, 3) > 0);
    // Outermost first.
    json_t *first = json_array_get(json_object_get(json_array_get(json_object_get(root, "profiles"), 0), "samples"), 0);
    json_t *frames = json_object_get(json_object_get(root, "shared"), "frames");
    json_t *outermost = json_array_get(frames, (size_t)json_integer_value(json_array_get(first, 0)));
    assert_string_equal(json_string_value(json_object_get(outermost, "name")), "main");
    json_decref(root);
    report_free(r);
}

static void folded_has_only_what_was_shown_to_grow(void **state)
{
    struct synth s = run;
    struct report *r = synth_report(*state, &s, NULL);
    char *text = synth_format(r, "folded", NULL, NULL), line[200];
    snprintf(line, sizeof line, "main;dispatch;handle_0;session_new %.0f\n", r->stacks[0].judge.slope_per_s * 3600);
    assert_int_equal(r->judge_stacks.n_rejected, 1);
    assert_string_equal(text, line);
    free(text);
    report_free(r);
}

// Each line of folded stacks must split at its last blank into frames and one number, whatever the names hold.
static void check_folded(char *text, size_t frames)
{
    char *rest = text, *line;
    size_t lines = 0;
    while ((line = strsep(&rest, "\n")) && *line) {
        char *blank = strrchr(line, ' ');
        size_t n = 1;
        assert_non_null(blank);
        assert_true(strspn(blank + 1, "0123456789") == strlen(blank + 1));
        for (const char *p = line; p < blank; p++)
            n += *p == ';';
        assert_int_equal(n, frames);
        lines++;
    }
    assert_int_equal(lines, 1);
}

static void nasty_names_stay_names(void **state)
{
    for (size_t i = 0; i < NASTY_NAMES; i++) {
        struct synth s = run;
        s.name = nasty_names[i];
        struct report *r = synth_report(*state, &s, NULL);
        char *text = decoded(*state, r);
        for (const char *p = text; p && *p; p++)
            assert_true((unsigned char)*p >= 0x20 || *p == '\n');
        free(text);
        json_decref(speedscope_of(*state, r));
        text = synth_format(r, "folded", NULL, NULL);
        check_folded(text, r->stacks[0].n_frames);
        free(text);
        report_free(r);
        rig_empty(*state);
    }
}

static void five_thousand_stacks_are_all_there(void **state)
{
    struct synth s = run;
    s.stacks = 5000;
    struct report *r = synth_report(*state, &s, NULL);
    assert_int_equal(r->n_stacks, REPORT_STACKS_DEFAULT);
    assert_int_equal(r->n_profiled, 5000);
    assert_int_equal(r->rest.n, 0);
    char *text = decoded(*state, r);
    if (text)
        assert_int_equal(lines_with(text, "\nmain;dispatch;"), 5000);
    free(text);
    report_free(r);
}

static void interning_gives_one_number_to_equal_bytes(void **state)
{
    (void)state;
    struct intern t = {0};
    char key[16];
    for (uint32_t round = 0; round < 2; round++)
        for (uint32_t i = 0; i < 5000; i++) {
            bool is_new;
            snprintf(key, sizeof key, "%u", i);
            assert_int_equal(intern_add(&t, key, strlen(key), &is_new), i);
            assert_int_equal(is_new, round == 0);
        }
    assert_int_equal(intern_add(&t, NULL, 0, NULL), 5000);
    assert_int_equal(intern_text(&t, ""), 5000);
    assert_int_equal(intern_add(&t, "a\0b", 3, NULL), 5001);
    assert_int_equal(intern_add(&t, "a\0c", 3, NULL), 5002);
    intern_free(&t);
}

#define T(f) cmocka_unit_test_setup_teardown(f, synth_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(pprof_has_every_stack_with_its_numbers),
        T(pprof_without_stacks_says_why),
        T(pprof_inlined_calls_share_a_location),
        T(what_is_past_the_ceiling_is_summed),
        T(speedscope_follows_its_schema),
        T(folded_has_only_what_was_shown_to_grow),
        T(nasty_names_stay_names),
        T(five_thousand_stacks_are_all_there),
        T(interning_gives_one_number_to_equal_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
