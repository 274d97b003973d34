// pprof: profile.proto, gzip'd, as `go tool pprof` and every other viewer of that format reads it.
//
// Field numbers are those of github.com/google/pprof/proto/profile.proto. Each call stack is one sample with five
// values; growth_rate is signed, so stacks that shrink stay visible. Addresses are link-time addresses of their file: a
// mapping from 0 to the end of the address space is pprof's own way to say that nothing needs to be relocated. Frames
// inlined into one place are the lines of one location, innermost first.
#include "base/esc.h"
#include "report/intern.h"
#include "report/pb.h"
#include "report/profile_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { MIB = 1024 * 1024, MESSAGE_MAX = 16 * MIB };
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION, PROFILE_FUNCTION, PROFILE_STRING };
enum { PROFILE_TIME = 9, PROFILE_DURATION, PROFILE_PERIOD_TYPE, PROFILE_PERIOD, PROFILE_COMMENT, PROFILE_DEFAULT_TYPE };
enum { TYPE_TYPE = 1, TYPE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM, LABEL_NUM_UNIT };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE, MAPPING_BUILD_ID };
enum { MAPPING_FUNCTIONS = 7, MAPPING_FILENAMES, MAPPING_LINES, MAPPING_INLINES };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

struct pprof {
    const struct report *r;
    struct seep_buf *out;
    struct intern strings, mappings, functions, locations;
    struct seep_buf named; // one byte a mapping: some frame of it has a name
    struct seep_buf message, inner, text;
};

static const char *const value_types[][2] = {{"growth_rate", "bytes/hour"},
                                             {"inuse_objects", "count"},
                                             {"inuse_space", "bytes"},
                                             {"alloc_objects", "count"},
                                             {"alloc_space", "bytes"}};

// A string of the target's, made harmless.
static uint32_t foreign(struct pprof *p, const char *text)
{
    buf_clear(&p->text);
    esc_term(&p->text, text, strlen(text));
    return intern_add(&p->strings, p->text.data, p->text.len, NULL);
}

static void put_value_type(struct pprof *p, unsigned number, const char *type, const char *unit)
{
    buf_clear(&p->message);
    pb_int(&p->message, TYPE_TYPE, intern_text(&p->strings, type));
    pb_int(&p->message, TYPE_UNIT, intern_text(&p->strings, unit));
    pb_bytes(p->out, number, p->message.data, p->message.len);
}

// The id of a frame's mapping. Mappings are written last: only then is it known which of them have names.
static uint32_t mapping_of(struct pprof *p, const struct report_frame *f)
{
    bool is_new;
    uint32_t key[2] = {foreign(p, f->module), foreign(p, f->build_id == NULL ? "" : f->build_id)};
    uint32_t id = intern_add(&p->mappings, key, sizeof key, &is_new) + 1;
    if (is_new)
        buf_char(&p->named, '\0');
    if (f->function != NULL && id <= p->named.len)
        p->named.data[id - 1] = 1;
    return id;
}

static void put_mappings(struct pprof *p)
{
    for (size_t i = 0; i < p->mappings.n && i < p->named.len; i++) {
        uint32_t key[2];
        memcpy(key, p->mappings.entry[i].bytes, sizeof key);
        buf_clear(&p->message);
        pb_uint(&p->message, MAPPING_ID, i + 1);
        pb_uint(&p->message, MAPPING_LIMIT, UINT64_MAX);
        pb_int(&p->message, MAPPING_FILE, key[0]);
        pb_int(&p->message, MAPPING_BUILD_ID, key[1]);
        for (unsigned field = MAPPING_FUNCTIONS; p->named.data[i] && field <= MAPPING_INLINES; field++)
            pb_uint(&p->message, field, 1); // named already: a viewer need not look for the file
        pb_bytes(p->out, PROFILE_MAPPING, p->message.data, p->message.len);
    }
}

// By convention the first mapping is the program.
static void begin_with_program(struct pprof *p)
{
    const char *exe = p->r->target.exe;
    for (size_t i = 0; exe != NULL && i < p->r->n_profiled; i++)
        for (size_t k = 0; k < p->r->stacks[i].n_frames; k++)
            if (strcmp(p->r->stacks[i].frames[k].module, exe) == 0) {
                mapping_of(p, &p->r->stacks[i].frames[k]);
                return;
            }
}

static uint32_t function_of(struct pprof *p, const struct report_frame *f)
{
    bool is_new;
    uint32_t key[2];
    buf_clear(&p->text);
    profile_put_name(&p->text, f);
    key[0] = intern_add(&p->strings, p->text.data, p->text.len, NULL);
    key[1] = foreign(p, f->file == NULL ? "" : f->file);
    uint32_t id = intern_add(&p->functions, key, sizeof key, &is_new) + 1;
    if (!is_new)
        return id;
    buf_clear(&p->message);
    pb_uint(&p->message, FUNCTION_ID, id);
    pb_int(&p->message, FUNCTION_NAME, key[0]);
    pb_int(&p->message, FUNCTION_SYSTEM_NAME, key[0]);
    pb_int(&p->message, FUNCTION_FILE, key[1]);
    pb_bytes(p->out, PROFILE_FUNCTION, p->message.data, p->message.len);
    return id;
}

// The frames f[0..n) of one address, as one location. Its key is the message but for the id.
static uint32_t location_of(struct pprof *p, const struct report_frame *f, size_t n)
{
    struct seep_buf body;
    bool is_new;
    buf_init(&body, MESSAGE_MAX);
    if (f->module != NULL)
        pb_uint(&body, LOCATION_MAPPING, mapping_of(p, f));
    pb_uint(&body, LOCATION_ADDRESS, f->offset);
    for (size_t i = 0; i < n; i++) {
        uint32_t function = function_of(p, &f[i]);
        buf_clear(&p->inner);
        pb_uint(&p->inner, LINE_FUNCTION, function);
        pb_int(&p->inner, LINE_LINE, f[i].line > 0 ? f[i].line : 0);
        pb_bytes(&body, LOCATION_LINE, p->inner.data, p->inner.len);
    }
    uint32_t id = intern_add(&p->locations, body.data, body.len, &is_new) + 1;
    if (is_new) {
        pb_uint(&body, LOCATION_ID, id);
        pb_bytes(p->out, PROFILE_LOCATION, body.data, body.len);
    }
    p->out->failed |= body.failed;
    buf_free(&body);
    return id;
}

static void put_label(struct pprof *p, struct seep_buf *sample, const char *key, const char *text, int64_t number,
                      const char *unit)
{
    buf_clear(&p->inner);
    pb_int(&p->inner, LABEL_KEY, intern_text(&p->strings, key));
    if (text != NULL)
        pb_int(&p->inner, LABEL_STR, intern_text(&p->strings, text));
    pb_int(&p->inner, LABEL_NUM, number);
    if (unit != NULL)
        pb_int(&p->inner, LABEL_NUM_UNIT, intern_text(&p->strings, unit));
    pb_bytes(sample, SAMPLE_LABEL, p->inner.data, p->inner.len);
}

static void put_labels(struct pprof *p, const struct report_stack *s, struct seep_buf *sample)
{
    put_label(p, sample, "grows", s->judge.rejected ? "yes" : "not shown", 0, NULL);
    put_label(p, sample, "class", judge_class_name(s->judge.klass), 0, NULL);
    put_label(p, sample, "kind", s->flags & STACK_MMAP ? "mapping" : "heap", 0, NULL);
    if (s->allowed != NULL)
        put_label(p, sample, "allowed", "yes", 0, NULL);
    if (s->judge.rank > 0)
        put_label(p, sample, "rank", NULL, (int64_t)s->judge.rank, NULL);
    if (!isfinite(s->judge.lo_per_s) || !isfinite(s->judge.hi_per_s))
        return;
    put_label(p, sample, "growth_from", NULL, profile_per_hour(s->judge.lo_per_s), "bytes/hour");
    put_label(p, sample, "growth_to", NULL, profile_per_hour(s->judge.hi_per_s), "bytes/hour");
}

static void put_values(struct seep_buf *sample, const struct report_stack *s)
{
    struct seep_buf packed;
    const int64_t values[] = {profile_per_hour(s->judge.slope_per_s), profile_integer(s->live_blocks),
                              profile_integer(s->judge.live_bytes), profile_integer(s->alloc_blocks),
                              profile_integer(s->alloc_bytes)};
    buf_init(&packed, 256);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        pb_varint(&packed, (uint64_t)values[i]);
    pb_bytes(sample, SAMPLE_VALUE, packed.data, packed.len);
    buf_free(&packed);
}

// How many frames from f on stand for one address: calls inlined into each other, and the one they are in.
static size_t inlined_run(const struct report_frame *f, size_t n)
{
    size_t run = 1;
    while (run < n && f[run - 1].inlined && f[run].offset == f[0].offset && strcmp(f[run].module, f[0].module) == 0)
        run++;
    return run;
}

static void put_frames(struct pprof *p, const struct report_stack *s, struct seep_buf *sample)
{
    struct seep_buf ids;
    const struct report_frame none = {.function = profile_frameless_name(s)};
    buf_init(&ids, MESSAGE_MAX);
    if (s->n_frames == 0)
        pb_varint(&ids, location_of(p, &none, 1));
    for (size_t i = 0, n; i < s->n_frames; i += n) {
        n = inlined_run(&s->frames[i], s->n_frames - i);
        pb_varint(&ids, location_of(p, &s->frames[i], n));
    }
    pb_bytes(sample, SAMPLE_LOCATION, ids.data, ids.len);
    sample->failed |= ids.failed;
    buf_free(&ids);
}

static void put_sample(struct pprof *p, const struct report_stack *s)
{
    struct seep_buf sample;
    buf_init(&sample, MESSAGE_MAX);
    put_frames(p, s, &sample);
    put_values(&sample, s);
    put_labels(p, s, &sample);
    pb_bytes(p->out, PROFILE_SAMPLE, sample.data, sample.len);
    p->out->failed |= sample.failed;
    buf_free(&sample);
}

static void put_rest(struct pprof *p)
{
    const struct report *r = p->r;
    struct report_stack rest = {.live_blocks = r->rest.live_blocks,
                                .alloc_bytes = r->rest.alloc_bytes,
                                .alloc_blocks = r->rest.alloc_blocks,
                                .flags = STACK_OTHER};
    rest.judge.lo_per_s = rest.judge.hi_per_s = NAN;
    rest.judge.slope_per_s = r->rest.slope_per_s;
    rest.judge.live_bytes = r->rest.live_bytes;
    rest.judge.klass = JUDGE_CLASS_UNKNOWN;
    if (r->rest.n > 0)
        put_sample(p, &rest);
}

static void comment(struct pprof *p, const char *text)
{
    pb_int(p->out, PROFILE_COMMENT, foreign(p, text));
}

static void put_comments(struct pprof *p)
{
    const struct report *r = p->r;
    comment(p, "growth_rate is the slope of the live bytes in the second half of the measured time; stacks labelled "
               "grows=yes were shown to grow, the rates of the others are within what noise can do");
    if (r->run != NULL)
        comment(p, r->run);
    if (r->headline != NULL)
        comment(p, r->headline);
    if (!r->stacks_known)
        comment(p, r->evidence.attribution_reason != NULL ? r->evidence.attribution_reason
                                                          : "No call stacks were recorded in this run.");
}

static void put_facts(struct pprof *p)
{
    const struct report *r = p->r;
    double mean = r->evidence.sampling_mean_bytes;
    pb_int(p->out, PROFILE_TIME, r->started_ns == SEEP_UNKNOWN ? 0 : r->started_ns);
    pb_int(p->out, PROFILE_DURATION, profile_integer(r->elapsed_s * 1e9));
    put_value_type(p, PROFILE_PERIOD_TYPE, "space", "bytes");
    pb_int(p->out, PROFILE_PERIOD, isfinite(mean) ? profile_integer(mean) : 1);
    pb_int(p->out, PROFILE_DEFAULT_TYPE, intern_text(&p->strings, value_types[0][0]));
    put_comments(p);
}

static void put_profile(struct pprof *p)
{
    intern_text(&p->strings, ""); // string 0 must be the empty one
    for (size_t i = 0; i < sizeof value_types / sizeof *value_types; i++)
        put_value_type(p, PROFILE_SAMPLE_TYPE, value_types[i][0], value_types[i][1]);
    begin_with_program(p);
    for (size_t i = 0; i < p->r->n_profiled; i++)
        put_sample(p, &p->r->stacks[i]);
    put_rest(p);
    put_mappings(p);
    put_facts(p);
    for (size_t i = 0; i < p->strings.n; i++)
        pb_bytes(p->out, PROFILE_STRING, p->strings.entry[i].bytes, p->strings.entry[i].len);
}

static int compress_to(const struct seep_buf *in, struct seep_buf *out, struct seep_err *err)
{
    enum { GZIP = 16 + MAX_WBITS };
    z_stream z = {.next_in = (Bytef *)(uintptr_t)in->data, .avail_in = (uInt)in->len};
    char chunk[65536];
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP, MAX_MEM_LEVEL, Z_DEFAULT_STRATEGY) != Z_OK)
        return seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory to compress the profile.");
    int rc = Z_OK;
    while (rc == Z_OK) {
        z.next_out = (Bytef *)chunk;
        z.avail_out = sizeof chunk;
        rc = deflate(&z, Z_FINISH);
        buf_add(out, chunk, sizeof chunk - z.avail_out);
    }
    deflateEnd(&z);
    return rc == Z_STREAM_END ? 0 : seep_fail(err, SEEP_E_SYSTEM, "The profile could not be compressed.");
}

int report_pprof(const struct report *r, const struct report_style *style, struct seep_buf *out, struct seep_err *err)
{
    (void)style;
    struct seep_buf plain;
    struct pprof p = {.r = r, .out = &plain};
    buf_init(&plain, 512 * (size_t)MIB);
    buf_init(&p.message, MESSAGE_MAX);
    buf_init(&p.inner, MESSAGE_MAX);
    buf_init(&p.text, MESSAGE_MAX);
    buf_init(&p.named, MESSAGE_MAX);
    put_profile(&p);
    bool no_memory = p.strings.failed || p.mappings.failed || p.functions.failed || p.locations.failed;
    plain.failed |= p.message.failed || p.inner.failed || p.text.failed || p.named.failed;
    int failed = no_memory ? seep_fail(err, SEEP_E_SYSTEM, "There is not enough memory for the profile.")
                           : buf_check(&plain, "The profile", err);
    if (!failed)
        failed = compress_to(&plain, out, err);
    struct intern *tables[] = {&p.strings, &p.mappings, &p.functions, &p.locations};
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        intern_free(tables[i]);
    struct seep_buf *bufs[] = {&plain, &p.message, &p.inner, &p.text, &p.named};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        buf_free(bufs[i]);
    return failed ? -1 : buf_check(out, "The profile", err);
}
