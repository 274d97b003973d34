// Work beside the loop: see errand.h.
#include "run/errand.h"

static void on_thread(void *arg)
{
    struct run_errand *e = arg;
    e->work(e->ctx);
    uv_async_send(&e->back);
}

static void on_back(uv_async_t *handle)
{
    struct run_errand *e = handle->data;
    if (!e->busy)
        return;
    uv_thread_join(&e->thread);
    e->busy = false;
    e->done(e->ctx);
}

int run_errand_open(struct run_errand *e, uv_loop_t *loop, void (*work)(void *), void (*done)(void *), void *ctx)
{
    *e = (struct run_errand){.work = work, .done = done, .ctx = ctx};
    if (uv_async_init(loop, &e->back, on_back))
        return -1;
    e->back.data = e;
    e->open = true;
    return 0;
}

bool run_errand_start(struct run_errand *e)
{
    if (!e->open || e->busy)
        return false;
    e->busy = true;
    e->busy = uv_thread_create(&e->thread, on_thread, e) == 0;
    return e->busy;
}

void run_errand_join(struct run_errand *e)
{
    if (!e->busy)
        return;
    uv_thread_join(&e->thread);
    e->busy = false;
}
