// Blobs of a database of unknown origin: each decoder ends, stays within its bytes, and gives ids in order.
#include "fuzz.h"
#include "store/internal.h"

static void points(struct cursor c)
{
    struct store_point p;
    size_t n = 0;
    while (code_next_point(&c, &p) == 1)
        n++;
    FUZZ_NEED(n <= FUZZ_INPUT_MAX);
}

static void stacks(struct cursor c)
{
    struct store_stack_point p;
    size_t n = 0;
    while (code_next_stack(&c, &p) == 1)
        n++;
    FUZZ_NEED(n <= FUZZ_INPUT_MAX);
}

static void frames(struct cursor c)
{
    struct store_frame f;
    size_t n = 0;
    while (code_next_frame(&c, &f) == 1)
        n++;
    FUZZ_NEED(n <= FUZZ_INPUT_MAX);
}

static void symbols(struct cursor c)
{
    struct store_symbol s;
    size_t n = 0, bytes = 0;
    while (code_next_symbol(&c, &s) == 1) {
        bytes += s.function != NULL ? strlen(s.function) : 0;
        bytes += s.file != NULL ? strlen(s.file) : 0;
        FUZZ_NEED(s.line >= 0);
        n++;
    }
    FUZZ_NEED(n + bytes <= 2 * (size_t)FUZZ_INPUT_MAX);
}

static void varints(struct cursor c)
{
    uint64_t v;
    size_t n = 0;
    while (code_get_varint(&c, &v) == 0)
        n++;
    FUZZ_NEED(n <= FUZZ_INPUT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const decoders[])(struct cursor) = {points, stacks, frames, symbols, varints};
    if (size > 0)
        decoders[data[0] % 5](code_cursor(data + 1, size - 1));
    return 0;
}

static void encode(unsigned i, struct seep_buf *out)
{
    const struct store_point p[] = {
        {.series = 1, .value = 0.5}, {.series = 3, .value = 1e18}, {.series = 9, .value = -7}};
    const struct store_stack_point s[] = {{.stack = 1, .live_bytes = 100, .live_blocks = 2},
                                          {.stack = 7, .live_bytes = 1e12, .live_blocks = 3}};
    const struct store_frame f[] = {{.module = 1, .offset = 0x1234}, {.module = 2, .offset = UINT64_MAX}};
    const struct store_symbol y[] = {{.function = "main", .file = "/a.c", .line = 7}, {.inlined = true}};
    const uint64_t ages[] = {1, 1000, UINT64_MAX};
    buf_char(out, (char)i);
    if (i == 0)
        code_points(out, p, 3);
    else if (i == 1)
        code_stacks(out, s, 2);
    else if (i == 2)
        code_frames(out, f, 2);
    else if (i == 3)
        code_symbols(out, y, 2);
    else
        code_ages(out, ages, ages, 3);
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    struct seep_buf text;
    if (i > 4)
        return 0;
    buf_init(&text, FUZZ_INPUT_MAX);
    encode(i, &text);
    size_t n = text.len;
    memcpy(out, text.data, n);
    buf_free(&text);
    return n;
}
