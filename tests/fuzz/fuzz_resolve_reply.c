// Replies of a resolver that a hostile file has taken over: whatever they say, the client gives every question a frame
// within its bounds, and never blocks.
//
// The client gets one end of a socket with the replies already in it; after them the other end is closed, and no
// process can be started in its place.
#include "fuzz.h"
#include "resolve/client.h"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PCS = 5, REPLIES = 8 };

static int image = -1; // any regular file that is not empty

static struct resolve *client_of(int sock)
{
    struct seep_err err;
    const struct resolve_options options = {.exe = "/nonexistent/resolver", .deadline_ms = 2000};
    struct resolve *r = resolve_start(&options, &err);
    FUZZ_NEED(r != NULL);
    r->sock = sock;
    return r;
}

// One reply: a head that is right but for what the input changes, and a body from the input.
static void put_reply(struct fuzz_in *in, int sock, uint32_t seq, enum proto_type type)
{
    uint8_t how = fuzz_u8(in);
    uint32_t len = fuzz_u24(in) % 8192;
    uint8_t body[8192];
    struct proto_head head = {.magic = PROTO_MAGIC, .type = type, .seq = seq, .len = len};
    if (how == 1)
        fuzz_take(in, &head, sizeof head);
    fuzz_take(in, body, len);
    (void)!send(sock, &head, sizeof head, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)!send(sock, body, how == 2 ? len / 2 : len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void check_frames(const struct resolve_frames *f)
{
    for (size_t i = 0; i < PCS; i++) {
        FUZZ_NEED(f->spans[i].n >= 1 && f->spans[i].n <= RESOLVE_INLINE_MAX);
        FUZZ_NEED(f->spans[i].first + (size_t)f->spans[i].n <= f->n_frames);
    }
    for (size_t i = 0; i < f->n_frames; i++) {
        const struct resolve_frame *one = &f->frames[i];
        FUZZ_NEED(one->module_path != NULL && (one->function != NULL || one->reason != NULL));
        FUZZ_NEED(one->function == NULL || strlen(one->function) < RESOLVE_NAME_MAX);
        FUZZ_NEED(one->file == NULL || strlen(one->file) < RESOLVE_PATH_MAX);
    }
}

static void ask_names(struct resolve *r, const struct resolve_module *m)
{
    struct resolve_pc pcs[PCS];
    struct resolve_frames found;
    struct seep_err err;
    for (uint32_t i = 0; i < PCS; i++)
        pcs[i] = (struct resolve_pc){.offset = 0x1000 + i, .flags = RESOLVE_PC_RETURN};
    FUZZ_NEED(resolve_symbolise(r, m, 1, pcs, PCS, &found, &err) == 0);
    check_frames(&found);
    resolve_frames_free(&found);
}

static void ask_stack(struct resolve *r, const struct resolve_module *m)
{
    struct resolve_regs regs = {.known = (1u << RESOLVE_REGS) - 1};
    struct resolve_map map = {.start = 0x1000, .end = 0x9000, .bias = 0x1000, .bias_known = true};
    uint64_t stack[16] = {0x1100, 0x1200};
    struct resolve_unwound u;
    struct seep_err err;
    regs.value[RESOLVE_REG_RSP] = 0x10000;
    regs.value[RESOLVE_REG_RIP] = 0x1100;
    FUZZ_NEED(resolve_unwind(r, m, 1, &map, 1, &regs, 0x10000, stack, sizeof stack, &u, &err) == 0);
    FUZZ_NEED(u.n >= 1 && u.n <= RESOLVE_DEPTH_MAX && u.guessed_from <= u.n && u.end <= RESOLVE_END_FAILED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    int pair[2];
    if (image < 0) {
        image = memfd_create("image", MFD_CLOEXEC);
        FUZZ_NEED(image >= 0 && write(image, "x", 1) == 1);
    }
    uint8_t what = fuzz_u8(&in);
    FUZZ_NEED(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
    struct resolve *r = client_of(pair[0]);
    // A load without debug file, then whatever was asked.
    for (uint32_t i = 1; i <= REPLIES && in.left > 0; i++)
        put_reply(&in, pair[1], i, i == 1 ? PROTO_LOAD : what % 2 ? PROTO_UNWIND : PROTO_NAMES);
    shutdown(pair[1], SHUT_WR);
    struct resolve_module m = {.kind = RESOLVE_ELF, .path = "/x/y", .fd = image, .build_id_len = 4};
    if (what % 2)
        ask_stack(r, &m);
    else
        ask_names(r, &m);
    resolve_stop(r);
    close(pair[1]);
    return 0;
}

static size_t seed_reply(uint8_t *out, size_t n, const void *body, uint32_t len)
{
    const uint8_t head[] = {0, (uint8_t)len, (uint8_t)(len >> 8), (uint8_t)(len >> 16)};
    memcpy(out + n, head, sizeof head);
    memcpy(out + n + sizeof head, body, len);
    return n + sizeof head + len;
}

static uint32_t seed_names(uint8_t *body, uint32_t answered)
{
    struct seep_buf out;
    buf_init(&out, 4096);
    buf_add(&out, &answered, sizeof answered);
    for (uint32_t i = 0; i < answered; i++) {
        const uint32_t frames = i + 1;
        buf_add(&out, &frames, sizeof frames);
        for (uint32_t k = 0; k < frames; k++) {
            struct proto_frame f = {.line = k, .function_len = 4, .raw_len = 4, .file_len = 3, .flags = k > 0};
            buf_add(&out, &f, sizeof f);
            buf_str(&out, "mainmain/.c");
        }
    }
    memcpy(body, out.data, out.len);
    uint32_t len = (uint32_t)out.len;
    buf_free(&out);
    return len;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    struct proto_loaded loaded;
    struct {
        struct proto_unwound head;
        struct proto_step step[3];
    } steps = {.head = {.n = 3, .guessed_from = 3}, .step = {{.pc = 0x1100, .exact = 1}, {.pc = 0x1200}}};
    uint8_t body[4096];
    if (i > 3)
        return 0;
    memset(&loaded, 0, sizeof loaded);
    loaded.has_dwarf = 1;
    size_t n = 0;
    out[n++] = i == 3;
    n = seed_reply(out, n, &loaded, sizeof loaded);
    if (i == 3)
        return seed_reply(out, n, &steps, sizeof steps);
    n = seed_reply(out, n, body, seed_names(body, i == 2 ? 2 : PCS));
    return i == 2 ? seed_reply(out, n, body, seed_names(body, 3)) : n;
}
