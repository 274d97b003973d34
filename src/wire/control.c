// What the supervisor asks of the probe: one control word that every hooked call sees with a single load.
//
// The words written are made from our own copy, never from what stands in the region.
#include "wire/region.h"

#include "base/check.h"

#define OFF_BITS (SEEP_WORD_OFF | SEEP_WORD_STALLED)

static void publish(struct wire *w, uint64_t word)
{
    w->word = word;
    __atomic_store_n(&w->control->word, word, __ATOMIC_RELEASE);
}

uint32_t wire_epoch(struct wire *w)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    return SEEP_WORD_EPOCH(w->word);
}

int wire_set_epoch(struct wire *w, uint32_t epoch, uint64_t mean_bytes, struct seep_err *err)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    uint32_t now = SEEP_WORD_EPOCH(w->word);
    if (epoch >= SEEP_EPOCHS || epoch < now)
        return seep_fail(err, SEEP_E_LIMIT, "Epoch %u cannot follow epoch %u of %u.", epoch, now, SEEP_EPOCHS);
    if (mean_bytes >> 40)
        return seep_fail(err, SEEP_E_USAGE, "A sampling interval must be below 1 TiB.");
    if (epoch == now && mean_bytes != w->mean[epoch])
        return seep_fail(err, SEEP_E_USAGE, "Within an epoch the sampling interval stays; go to the next epoch.");
    // The table first: a block may be stamped with the epoch as soon as the word names it.
    w->mean[epoch] = mean_bytes;
    __atomic_store_n(&w->control->mean_of_epoch[epoch], mean_bytes, __ATOMIC_RELEASE);
    publish(w, SEEP_WORD(epoch, SEEP_WORD_TICK(w->word), mean_bytes) | (w->word & OFF_BITS));
    return 0;
}

int wire_set_sampling(struct wire *w, uint64_t mean_bytes, struct seep_err *err)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    uint32_t now = SEEP_WORD_EPOCH(w->word);
    if (mean_bytes == w->mean[now])
        return 0;
    return wire_set_epoch(w, now + 1, mean_bytes, err);
}

void wire_request_allocator_stats(struct wire *w)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    uint32_t tick = (SEEP_WORD_TICK(w->word) + 1) & 255u;
    w->tick_wanted = tick;
    publish(w, SEEP_WORD(SEEP_WORD_EPOCH(w->word), tick, SEEP_WORD_MEAN(w->word)) | (w->word & OFF_BITS));
}

void wire_turn_off(struct wire *w)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    publish(w, w->word | SEEP_WORD_OFF);
}

void wire_turn_off_stalled(struct wire *w)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    publish(w, w->word | OFF_BITS);
}

bool wire_thread(struct wire *w, uint32_t slot, struct wire_thread *out)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    if (slot == 0 || slot >= SEEP_THREAD_SLOTS)
        return false;
    const struct seep_thread_slot *s = (const struct seep_thread_slot *)(w->base + w->layout.threads_offset) + slot;
    *out = (struct wire_thread){.tid = wire_load32(&s->owner),
                                .cold = wire_load64(&s->cold),
                                .alloc_blocks = wire_load64(&s->alloc_blocks),
                                .free_blocks = wire_load64(&s->free_blocks)};
    return out->tid != 0;
}

int wire_allocator_stats(struct wire *w, struct wire_allocator *out)
{
    SEEP_CHECK_OBJ(w, WIRE_MAGIC);
    const struct seep_allocator_stats *from = &wire_header(w)->allocator;
    for (int i = 0; i < 100; i++) {
        uint64_t before = wire_load64(&from->sequence);
        struct seep_allocator_stats s = *from;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (before & 1 || wire_load64(&from->sequence) != before)
            continue;
        *out = (struct wire_allocator){
            .kind = s.kind <= SEEP_ALLOC_MIMALLOC ? s.kind : SEEP_ALLOC_UNKNOWN,
            .state = s.state <= 3 ? s.state : 0,
            .allocated_bytes = s.allocated_bytes,
            .active_bytes = s.active_bytes,
            .resident_bytes = s.resident_bytes,
            .retained_bytes = s.retained_bytes,
            .mapped_bytes = s.mapped_bytes,
            .metadata_bytes = s.metadata_bytes,
            .cost_ns = s.cost_ns,
            .time_ns = s.time_ns,
            .answers_last_request = before != 0 && s.tick == w->tick_wanted,
        };
        return 0;
    }
    return -1;
}
