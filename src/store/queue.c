// What waits to be written: single statements in order, and ticks.
//
// When the disk takes everything the queue is empty between ticks. When it does not, the queue is what the run still
// remembers: it holds on to its ceilings by thinning, so an outage of any length is seen at a coarser and coarser
// resolution and never with an end missing. A dropped tick's stacks go to the next tick, because a tick names only the
// stacks that changed; the drop itself is counted and becomes an event row.
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
    q->ops_end = &q->ops;
    q->ticks_end = &q->ticks;
}

void qtick_free(struct qtick *t)
{
    if (!t)
        return;
    buf_free(&t->points);
    free(t->stacks);
    free(t);
}

void queue_clear_written(struct queue *q)
{
    for (struct op *o = q->ops, *next; o; o = next) {
        next = o->next;
        free(o);
    }
    for (struct qtick *t = q->ticks, *next; t; t = next) {
        next = t->next;
        qtick_free(t);
    }
    queue_init(q);
}

void queue_free(struct queue *q)
{
    queue_clear_written(q);
}

bool queue_empty(const struct queue *q)
{
    return !q->ops && !q->ticks && !q->hole.count && !q->lost_ops;
}

int queue_op(struct queue *q, enum stmt stmt, const struct param *params, size_t n, struct seep_err *err)
{
    size_t head = sizeof(struct op) + n * sizeof(struct param), size = head;
    for (size_t i = 0; i < n; i++)
        size += params[i].len;
    struct op *o = malloc(size);
    if (!o) {
        q->lost_ops++;
        return seep_fail(err, SEEP_E_LIMIT, "Out of memory while storing a row of the run");
    }
    *o = (struct op){.stmt = stmt, .size = size, .n = n};
    char *at = (char *)o + head;
    for (size_t i = 0; i < n; i++) {
        o->params[i] = params[i];
        if (params[i].type == P_TEXT || params[i].type == P_BLOB) {
            if (params[i].len)
                memcpy(at, params[i].data, params[i].len);
            o->params[i].data = at;
            at += params[i].len;
        }
    }
    *q->ops_end = o;
    q->ops_end = &o->next;
    q->op_bytes += size;
    return 0;
}

static size_t qtick_bytes(const struct qtick *t)
{
    return sizeof *t + t->points.cap + t->n_stacks * sizeof *t->stacks;
}

void queue_tick(struct queue *q, struct qtick *t)
{
    *q->ticks_end = t;
    q->ticks_end = &t->next;
    q->n_ticks++;
    q->tick_bytes += qtick_bytes(t);
}

void queue_hole(struct queue *q, struct seep_time when)
{
    if (q->hole.count == 0 || when.mono_ns < q->hole.from.mono_ns)
        q->hole.from = when;
    if (q->hole.count == 0 || when.mono_ns > q->hole.to.mono_ns)
        q->hole.to = when;
    q->hole.count++;
}

// The union of what both name; where both do, the later tick's values.
static int merge_stacks(struct qtick *later, const struct qtick *earlier)
{
    if (earlier->n_stacks == 0)
        return 0;
    struct store_stack_point *out = malloc((later->n_stacks + earlier->n_stacks) * sizeof *out);
    if (!out)
        return -1;
    size_t i = 0, j = 0, n = 0;
    while (i < earlier->n_stacks || j < later->n_stacks) {
        bool take_later =
            i == earlier->n_stacks || (j < later->n_stacks && later->stacks[j].stack <= earlier->stacks[i].stack);
        if (take_later && i < earlier->n_stacks && later->stacks[j].stack == earlier->stacks[i].stack)
            i++;
        out[n++] = take_later ? later->stacks[j++] : earlier->stacks[i++];
    }
    free(later->stacks);
    later->stacks = out;
    later->n_stacks = n;
    return 0;
}

// A tick may go when a later one can take over its stacks.
static bool hand_over(struct qtick *t)
{
    if (!t->recorded)
        return true;
    struct qtick *heir = t->next;
    while (heir && !heir->recorded)
        heir = heir->next;
    return heir && merge_stacks(heir, t) == 0;
}

static void thin(struct queue *q)
{
    bool odd = false;
    for (struct qtick **at = &q->ticks; *at && (*at)->next; odd = !odd) {
        struct qtick *t = *at;
        if (odd && hand_over(t)) {
            queue_hole(q, t->time);
            *at = t->next;
            qtick_free(t);
        } else {
            at = &t->next;
        }
    }
    q->n_ticks = q->tick_bytes = 0;
    for (struct qtick *t = q->ticks; t; t = t->next) {
        q->n_ticks++;
        q->tick_bytes += qtick_bytes(t);
    }
}

// Of the statements the oldest go first, but not those that cannot come again.
static bool precious(const struct op *o)
{
    return o->stmt == S_META_PUT || o->stmt == S_END_PUT || o->stmt == S_SESSION_PUT;
}

static void drop_ops(struct queue *q)
{
    struct op **at = &q->ops;
    while (*at && q->op_bytes > QUEUE_MAX_OP_BYTES / 2) {
        struct op *o = *at;
        if (precious(o)) {
            at = &o->next;
            continue;
        }
        *at = o->next;
        q->op_bytes -= o->size;
        q->lost_ops++;
        free(o);
    }
    q->ops_end = &q->ops;
    while (*q->ops_end)
        q->ops_end = &(*q->ops_end)->next;
}

void queue_bound(struct queue *q)
{
    for (size_t before = SIZE_MAX; (q->n_ticks > QUEUE_MAX_TICKS || q->tick_bytes > QUEUE_MAX_TICK_BYTES) &&
                                   q->n_ticks < before && q->n_ticks > 2;) {
        before = q->n_ticks;
        thin(q);
    }
    if (q->op_bytes > QUEUE_MAX_OP_BYTES)
        drop_ops(q);
}
