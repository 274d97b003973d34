// A process with a known heap forks while its threads allocate, and goes on itself; the child frees part of what it
// inherited, resizes some, and keeps blocks of its own. Parent and child each print their own tally of the blocks that
// site() made, then live until they are killed.
// usage: harm_heirs BLOCKS THREADS [clone]
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int stop;
static char **block;

// Sizes from 1 byte to over the limit of large blocks.
static size_t size_of(long i)
{
    return i % 1000 == 999 ? 200000 + (size_t)i : (size_t)(i * 37 % 1500) + 1;
}

__attribute__((noinline, noclone)) char *site(char *old, size_t n)
{
    char *p = realloc(old, n);
    p[0] = 1;
    return p;
}

static void *churn(void *arg)
{
    while (!stop) {
        void *p[200];
        for (size_t i = 0; i < 200; i++)
            p[i] = malloc(i * 30 + (size_t)arg);
        for (size_t i = 0; i < 200; i++)
            free(p[i]);
        usleep(500);
    }
    return NULL;
}

static void tell(const char *who, long own_blocks, long own_bytes, long all_blocks, long all_bytes)
{
    char line[256]; // not stdio's own buffer, which would be one more block
    int len = snprintf(line, sizeof line, "%s %d site %lx own %ld %ld all %ld %ld\n", who, (int)getpid(),
                       (unsigned long)(size_t)site, own_blocks, own_bytes, all_blocks, all_bytes);
    if (write(1, line, (size_t)len) != len)
        _exit(1);
}

// own: since the fork; all: with what was there before.
static void be_child(long n, long bytes)
{
    long all = n, own_bytes = 0, own = 0;
    for (long i = 0; i < n; i += 3, own--, all--) {
        free(block[i]);
        own_bytes -= (long)size_of(i);
    }
    for (long i = 1; i < n; i += 9) {
        block[i] = site(block[i], 5000);
        own_bytes += 5000 - (long)size_of(i);
    }
    for (long i = 0; i < 500; i++, own++, all++) {
        site(NULL, 77);
        own_bytes += 77;
    }
    tell("child", own, own_bytes, all, bytes + own_bytes);
}

int main(int argc, char **argv)
{
    long n = argc > 1 ? atol(argv[1]) : 1000, threads = argc > 2 ? atol(argv[2]) : 0, bytes = 0;
    pthread_t t[8];
    block = mmap(NULL, (size_t)n * sizeof *block, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < n; i++) {
        block[i] = site(NULL, size_of(i));
        bytes += (long)size_of(i);
    }
    for (long i = 0; i < threads && i < 8; i++)
        pthread_create(&t[i], NULL, churn, (void *)(i + 1));
    usleep(2000);
    pid_t pid = argc > 3 ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    alarm(60); // whatever becomes of the test: neither outlives it for long
    if (pid == 0) {
        be_child(n, bytes);
        for (;;)
            pause();
    }
    for (long i = 0; i < n; i += 2) { // the parent goes on at once, over the very blocks the child inherits
        free(block[i]);
        bytes -= (long)size_of(i);
    }
    for (long i = 0; i < 300; i++)
        bytes += site(NULL, 99) ? 99 : 0;
    stop = 1;
    for (long i = 0; i < threads && i < 8; i++)
        pthread_join(t[i], NULL);
    tell("parent", 0, 0, n - (n + 1) / 2 + 300, bytes);
    for (;;)
        pause();
}
