// Background jobs: the event loop queues them, one thread works them off. Each job is a text; working it is a checksum
// over a working copy.
#include "demo.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_MAX = 1024, ROUNDS = 64 };

struct job {
    struct job *next;
    size_t len;
    unsigned char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
static unsigned queued;
static bool ending;
static pthread_t thread;
static volatile uint64_t last_checksum; // so that the work is not optimised away

bool jobs_add(const char *text, size_t len)
{
    struct job *j = malloc(sizeof *j + len);
    if (!j)
        return false;
    j->next = NULL;
    j->len = len;
    memcpy(j->text, text, len);
    pthread_mutex_lock(&lock);
    bool room = queued < QUEUE_MAX;
    if (room) {
        *last = j;
        last = &j->next;
        queued++;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
    if (!room)
        free(j);
    return room;
}

static struct job *job_next(void)
{
    pthread_mutex_lock(&lock);
    while (!first && !ending)
        pthread_cond_wait(&changed, &lock);
    struct job *j = ending ? NULL : first;
    if (j) {
        first = j->next;
        if (!first)
            last = &first;
        queued--;
    }
    pthread_mutex_unlock(&lock);
    return j;
}

// The working copy of a job's text, at least as large as the leak is to be.
static unsigned char *job_buffer_new(const struct job *j, size_t *size)
{
    *size = j->len > demo.leak_bytes ? j->len : demo.leak_bytes;
    if (*size == 0)
        *size = 1;
    unsigned char *buffer = calloc(1, *size);
    if (buffer && j->len)
        memcpy(buffer, j->text, j->len);
    return buffer;
}

static void job_work(const struct job *j)
{
    size_t size;
    unsigned char *buffer = job_buffer_new(j, &size);
    if (!buffer)
        return;
    uint64_t sum = 14695981039346656037u;
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < size; i++)
            sum = (sum ^ buffer[i]) * 1099511628211u;
    }
    last_checksum = sum;
    if (!atomic_load_explicit(&demo.leak[LEAK_JOBS], memory_order_relaxed))
        free(buffer); // the planted leak forgets this
}

static void *jobs_thread(void *unused)
{
    (void)unused;
    for (struct job *j = job_next(); j; j = job_next()) {
        atomic_fetch_add(&tally.jobs_taken, 1);
        job_work(j);
        free(j);
        atomic_fetch_add(&tally.jobs_done, 1);
    }
    return NULL;
}

bool jobs_start(void)
{
    return pthread_create(&thread, NULL, jobs_thread, NULL) == 0;
}

void jobs_stop(void)
{
    pthread_mutex_lock(&lock);
    ending = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    while (first) {
        struct job *next = first->next;
        free(first);
        first = next;
    }
    last = &first;
    queued = 0;
}
