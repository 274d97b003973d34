// Slots of stacks, and the thread that unwinds new ones: see tap_stacks.h.
#include "run/tap_stacks.h"
#include "base/clock.h"
#include "run/tap_trie.h"
#include "run/tap_unwind.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define WAITING_MAX 2048
#define NODES_MAX   (1u << 18)

struct item {
    struct item *next;
    struct linux_uprobe_record record;
    uint32_t slot;
    unsigned flags;
    uint64_t root, generation;
    uint8_t stack[];
};

struct tap_stacks {
    pthread_t thread;
    bool running;
    struct resolve *resolver;
    struct tap_unwind *unwind; // the thread's
    pthread_mutex_t lock;      // guards everything below
    pthread_cond_t wake;
    struct tap_trie *trie;
    uint32_t number[TAP_SLOTS_MAX];
    size_t n_slots;
    struct item *first, **last;
    size_t n_waiting;
    uint64_t generation; // of the mappings; recognitions made for an older one are not stored
    bool forget, stop;
    struct tap_stacks_counts counts;
};

static uint64_t root_of(pid_t pid, uint32_t function)
{
    return (uint64_t)(uint32_t)pid << 32 | (function + 1);
}

// Unwinds one item and stores what came of it. Without the lock, but for the storing.
static void work_on(struct tap_stacks *s, struct item *it)
{
    struct resolve_unwound *u = malloc(sizeof *u);
    size_t sure = 0;
    uint32_t number = 0;
    bool answered = u && tap_unwind_one(s->unwind, &it->record, it->flags, u, &sure, &number);
    pthread_mutex_lock(&s->lock);
    s->counts.unwound++;
    s->counts.failed += !answered;
    s->number[it->slot] = number;
    if (answered && it->generation == s->generation)
        tap_trie_add(s->trie, it->root, &it->record, u, sure, it->slot);
    pthread_mutex_unlock(&s->lock);
    free(u);
}

// The same stack may have been unwound while this one waited.
static bool known_meanwhile(struct tap_stacks *s, const struct item *it)
{
    uint32_t slot = it->generation == s->generation ? tap_trie_find(s->trie, it->root, &it->record) : 0;
    if (slot)
        s->number[it->slot] = s->number[slot - 1];
    return slot != 0;
}

static void *unwind_thread(void *arg)
{
    struct tap_stacks *s = arg;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        while (!s->first && !s->stop)
            pthread_cond_wait(&s->wake, &s->lock);
        if (s->stop)
            break;
        struct item *it = s->first;
        bool forget = s->forget, known = known_meanwhile(s, it);
        s->forget = false;
        pthread_mutex_unlock(&s->lock);
        if (forget)
            tap_unwind_forget(s->unwind, 0);
        if (!known)
            work_on(s, it);
        pthread_mutex_lock(&s->lock);
        s->first = it->next;
        if (!s->first)
            s->last = &s->first;
        s->n_waiting--;
        free(it);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static int start(struct tap_stacks *s, struct seep_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &old); // signals are the loop's
    int rc = pthread_create(&s->thread, NULL, unwind_thread, s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return seep_fail_errno(err, rc, "the thread for unwinding cannot be started");
    s->running = true;
    return 0;
}

struct tap_stacks *tap_stacks_new(struct stack_table *table, struct resolve *resolver, struct seep_err *err)
{
    struct tap_stacks *s = calloc(1, sizeof *s);
    if (!s) {
        resolve_stop(resolver);
        seep_fail(err, SEEP_E_SYSTEM, "there is no memory for call stacks");
        return NULL;
    }
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    s->resolver = resolver;
    s->last = &s->first;
    s->n_slots = 1; // the first is "(other)"
    s->trie = tap_trie_new(NODES_MAX);
    s->unwind = tap_unwind_new(table, resolver, err);
    if (!s->trie || !s->unwind || start(s, err)) {
        if (!s->trie)
            seep_fail(err, SEEP_E_SYSTEM, "there is no memory for call stacks");
        tap_stacks_free(s);
        return NULL;
    }
    return s;
}

void tap_stacks_free(struct tap_stacks *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    if (s->running)
        pthread_join(s->thread, NULL);
    while (s->first) {
        struct item *next = s->first->next;
        free(s->first);
        s->first = next;
    }
    tap_unwind_free(s->unwind);
    tap_trie_free(s->trie);
    resolve_stop(s->resolver);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static uint32_t enqueue(struct tap_stacks *s, const struct linux_uprobe_record *r, uint64_t root, pid_t like,
                        unsigned flags)
{
    struct item *it = NULL;
    if (s->n_waiting < WAITING_MAX && s->n_slots < TAP_SLOTS_MAX)
        it = malloc(sizeof *it + r->stack_bytes);
    if (!it) {
        s->counts.dropped++;
        return TAP_SLOT_OTHER;
    }
    *it = (struct item){
        .record = *r, .root = root, .generation = s->generation, .slot = (uint32_t)s->n_slots++, .flags = flags};
    memcpy(it->stack, r->stack, r->stack_bytes);
    it->record.stack = it->stack;
    it->record.pid = like;
    *s->last = it;
    s->last = &it->next;
    s->n_waiting++;
    pthread_cond_signal(&s->wake);
    return it->slot;
}

uint32_t tap_stacks_slot(struct tap_stacks *s, const struct linux_uprobe_record *r, uint32_t function, pid_t like,
                         unsigned flags)
{
    if (!r->stack || r->stack_bytes < 8)
        return TAP_SLOT_OTHER;
    uint64_t root = root_of(like, function);
    pthread_mutex_lock(&s->lock);
    uint32_t slot = tap_trie_find(s->trie, root, r);
    s->counts.recognised += slot != 0;
    slot = slot ? slot - 1 : enqueue(s, r, root, like, flags);
    pthread_mutex_unlock(&s->lock);
    return slot;
}

// Libraries come and go seldom: all recognitions are forgotten, whichever process it was.
void tap_stacks_forget(struct tap_stacks *s)
{
    pthread_mutex_lock(&s->lock);
    s->generation++;
    s->forget = true;
    tap_trie_clear(s->trie);
    pthread_mutex_unlock(&s->lock);
}

size_t tap_stacks_numbers(struct tap_stacks *s, uint32_t *number)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->n_slots;
    memcpy(number, s->number, n * sizeof *number);
    pthread_mutex_unlock(&s->lock);
    return n;
}

struct tap_stacks_counts tap_stacks_counts(struct tap_stacks *s)
{
    pthread_mutex_lock(&s->lock);
    struct tap_stacks_counts counts = s->counts;
    counts.waiting = s->n_waiting;
    pthread_mutex_unlock(&s->lock);
    return counts;
}

void tap_stacks_settle(struct tap_stacks *s, int timeout_ms)
{
    int64_t end = clock_mono_ns() + (int64_t)timeout_ms * 1000000;
    while (tap_stacks_counts(s).waiting > 0 && clock_mono_ns() < end)
        poll(NULL, 0, 2);
}
