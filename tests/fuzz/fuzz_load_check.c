// Replies of any content against every kind of check and every way to take a value: an answer, and nothing else.
#include "check_all.h"
#include "fuzz.h"
#include "load/check.h"
#include "load/extract.h"

static struct profile *profile;
static struct check *check[8];
static struct extract *extract[8];
static int n_checks, n_extracts;
static struct template_names names;

static void open_all(void)
{
    struct seep_err err = {0};
    FUZZ_NEED(profile_parse(check_all, strlen(check_all), "fuzz.yaml", &profile, &err) == 0);
    const struct profile_scenario *s = profile->loads[0].scenarios;
    for (; n_checks < s->n_steps; n_checks++)
        FUZZ_NEED(check_open(&s->steps[n_checks].expect, &names, NULL, &check[n_checks], &err) == 0);
    for (; n_extracts < s->steps[0].n_extract; n_extracts++)
        FUZZ_NEED(extract_open(&s->steps[0].extract[n_extracts], &extract[n_extracts], &err) == 0);
}

static void take_all(const struct exchange_reply *r, struct seep_buf *out)
{
    for (int i = 0; i < n_extracts; i++) {
        double number;
        bool found = extract_text(extract[i], r, out);
        FUZZ_NEED(found || out->len == 0);
        FUZZ_NEED(!extract_number(extract[i], r, out, &number) || found);
    }
}

// A byte of flags, the head up to an empty line, the body.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!profile)
        open_all();
    struct fuzz_in in = {data, size};
    uint8_t flags = fuzz_u8(&in);
    char *text = malloc(in.left + 1);
    FUZZ_NEED(text != NULL);
    memcpy(text, in.at, in.left);
    text[in.left] = 0;
    const char *empty = memmem(text, in.left, "\r\n\r\n", 4);
    size_t head_len = empty ? (size_t)(empty - text) + 4 : 0;
    const struct exchange_reply r = {.status = flags & 1 ? 200 : 503,
                                     .head = head_len ? text : NULL,
                                     .head_len = head_len,
                                     .body = flags & 2 ? text + head_len : NULL,
                                     .body_len = flags & 2 ? in.left - head_len : 0,
                                     .body_bytes = in.left - head_len,
                                     .body_cut = flags & 4};
    const struct load_text user[4] = {{text, in.left < 8 ? in.left : 8}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    const struct template_scope scope = {.user = user, .user_id = 1};
    struct check_room room;
    buf_init(&room.wanted, 256);
    buf_init(&room.found, 256);
    for (int i = 0; i < n_checks; i++) {
        struct check_failure why = {0};
        char said[200];
        enum check_end end = check_reply(check[i], &r, flags, &scope, &room, &why);
        FUZZ_NEED((end == CHECK_PASSED) == (why.part == NULL));
        if (end != CHECK_PASSED)
            check_describe(&why, said, sizeof said);
    }
    take_all(&r, &room.found);
    buf_free(&room.wanted);
    buf_free(&room.found);
    free(text);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        ("\x03HTTP/1.1 200 OK\r\nCache-Control: max-age=300, no-store\r\nSet-Cookie: SID=a; Path=/\r\nVary: "
         "Origin\r\n\r\n{\"n\":5,\"items\":[1,2],\"t\":\"x\"}"),
        "\x07HTTP/1.1 503 No\r\nCache-Control: private=\"a,b\\\"c\",,max-age=\"12\"\r\nX:\r\n\r\n<b>id=7</b>",
        "\x02\r\n\r\n{\"items\":[]}",
        "\x03Set-Cookie: SID=\r\nSet-Cookie:SID=2;\r\n\r\n",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
