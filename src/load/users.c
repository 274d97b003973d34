// The users of a closed model: see users.h.
#include "load/users.h"
#include "base/check.h"

#include <stdlib.h>

int users_open(struct load_users *u, int max, struct seep_err *err)
{
    *u = (struct load_users){
        .max = max, .user = calloc((size_t)max + 1, sizeof *u->user), .heap = calloc((size_t)max + 1, sizeof *u->heap)};
    if (!u->user || !u->heap) {
        users_close(u);
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for %d users.", max);
    }
    for (int i = 0; i < max; i++)
        u->user[i] = (struct load_user){.heap_at = -1, .next_free = i + 1 < max ? i + 1 : -1};
    u->first_free = max > 0 ? 0 : -1;
    return 0;
}

void users_close(struct load_users *u)
{
    free(u->user);
    free(u->heap);
    *u = (struct load_users){0};
}

static int64_t wake_at(const struct load_users *u, int at)
{
    return u->user[u->heap[at]].wake_ns;
}

static void put(struct load_users *u, int at, int i)
{
    u->heap[at] = i;
    u->user[i].heap_at = at;
}

static void sift_up(struct load_users *u, int at)
{
    int i = u->heap[at];
    for (int up = (at - 1) / 2; at > 0 && wake_at(u, up) > u->user[i].wake_ns; up = (at - 1) / 2) {
        put(u, at, u->heap[up]);
        at = up;
    }
    put(u, at, i);
}

static void sift_down(struct load_users *u, int at)
{
    int i = u->heap[at];
    for (;;) {
        int down = 2 * at + 1;
        if (down + 1 < u->n_heap && wake_at(u, down + 1) < wake_at(u, down))
            down++;
        if (down >= u->n_heap || wake_at(u, down) >= u->user[i].wake_ns)
            break;
        put(u, at, u->heap[down]);
        at = down;
    }
    put(u, at, i);
}

static void heap_remove(struct load_users *u, int at)
{
    u->user[u->heap[at]].heap_at = -1;
    int moved = u->heap[--u->n_heap];
    if (at == u->n_heap)
        return;
    put(u, at, moved);
    sift_up(u, at);
    sift_down(u, u->user[moved].heap_at);
}

static void heap_add(struct load_users *u, int i, int64_t wake_ns)
{
    SEEP_CHECK(i >= 0 && i < u->max && u->user[i].heap_at < 0);
    u->user[i].wake_ns = wake_ns;
    put(u, u->n_heap, i);
    u->n_heap++;
    sift_up(u, u->n_heap - 1);
}

void users_wait(struct load_users *u, int i, int64_t wake_ns)
{
    SEEP_CHECK(i >= 0 && i < u->max && u->user[i].heap_at < 0);
    u->user[i].busy = false;
    if (u->user[i].active)
        heap_add(u, i, wake_ns);
}

void users_pause(struct load_users *u, int i, int64_t wake_ns)
{
    SEEP_CHECK(u->user[i].busy);
    heap_add(u, i, wake_ns);
}

void users_unpause(struct load_users *u, int i)
{
    if (u->user[i].heap_at >= 0)
        heap_remove(u, u->user[i].heap_at);
}

// One whose last request is still under way is not free to begin anew.
static void activate(struct load_users *u, int64_t now_ns)
{
    for (int tries = 0; tries < u->max; tries++) {
        int i = u->next_in;
        u->next_in = (u->next_in + 1) % u->max;
        struct load_user *user = &u->user[i];
        if (user->active || user->busy)
            continue;
        *user = (struct load_user){.heap_at = -1, .next_free = user->next_free, .active = true};
        u->active++;
        users_wait(u, i, now_ns);
        return;
    }
}

static void retire(struct load_users *u, int i)
{
    u->user[i].active = false;
    u->active--;
    if (u->user[i].heap_at >= 0 && !u->user[i].busy)
        heap_remove(u, u->user[i].heap_at);
}

void users_set(struct load_users *u, int wanted, int step, int64_t now_ns, int64_t within_ns)
{
    if (wanted > u->max)
        wanted = u->max;
    int more = wanted - u->active < step ? wanted - u->active : step;
    for (int i = 0; i < more; i++)
        activate(u, now_ns + within_ns * i / more);
    for (int i = u->max - 1; i >= 0 && u->active > wanted; i--) {
        if (u->user[i].active)
            retire(u, i);
    }
}

void users_stop(struct load_users *u)
{
    users_set(u, 0, 0, 0, 0);
}

int users_first(const struct load_users *u)
{
    return u->n_heap ? u->heap[0] : -1;
}

int64_t users_first_ns(const struct load_users *u)
{
    return u->n_heap ? wake_at(u, 0) : INT64_MAX;
}

int users_take(struct load_users *u)
{
    SEEP_CHECK(u->n_heap > 0);
    int i = u->heap[0];
    heap_remove(u, 0);
    u->user[i].busy = true;
    return i;
}

int users_claim(struct load_users *u)
{
    int i = u->first_free;
    if (i < 0)
        return -1;
    u->first_free = u->user[i].next_free;
    u->user[i].busy = true;
    u->n_claimed++;
    return i;
}

void users_release(struct load_users *u, int i)
{
    SEEP_CHECK(u->user[i].busy && u->user[i].heap_at < 0);
    u->user[i].busy = false;
    u->user[i].next_free = u->first_free;
    u->first_free = i;
    u->n_claimed--;
}
