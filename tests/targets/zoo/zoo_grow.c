// Leaks 64 KiB each 50 ms, touched, so that it shows in the resident size: built in the ways that keep a probe out.
// usage: zoo_grow [filter|strict]: gives up system calls first
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *volatile kept;

// GROW_MALLOC: an allocator under another name. GROW_BRK: one of its own, past the C library. GROW_SBRK: by it.
// GROW_WRAPPED: a malloc of its own around the C library's. GROW_SHM: segments of System V. GROW_ALSO_LIBC: a little by
// malloc as well.
#ifdef GROW_MALLOC
void *GROW_MALLOC(size_t);
#elif defined(GROW_BRK)
#define GROW_MALLOC(n) past_libc(n)
static inline __attribute__((always_inline)) void *past_libc(size_t n)
{
    char *now = (char *)syscall(SYS_brk, 0);
    return (char *)syscall(SYS_brk, now + n) == now + n ? now : NULL;
}
#elif defined(GROW_SBRK)
#define GROW_MALLOC sbrk
#elif defined(GROW_WRAPPED)
#define GROW_MALLOC malloc
void *__libc_malloc(size_t);
void __libc_free(void *);
void *malloc(size_t n)
{
    return __libc_malloc(n);
}
void free(void *p)
{
    __libc_free(p);
}
#elif defined(GROW_SHM)
#define GROW_MALLOC(n) segment(n)
static inline __attribute__((always_inline)) void *segment(size_t n)
{
    int id = shmget(IPC_PRIVATE, n, IPC_CREAT | 0600);
    void *p = shmat(id, NULL, 0);
    shmctl(id, IPC_RMID, NULL);
    return p;
}
#else
#define GROW_MALLOC malloc
#endif

static __attribute__((noinline)) void grow(void)
{
    char *p = GROW_MALLOC(65536);
    if (!p || p == (char *)-1)
        abort();
#ifdef GROW_ALSO_LIBC
    kept = malloc(16);
#endif
    memset(p, 1, 65536);
    kept = p;
}

static void allow_all(void)
{
    struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = {.len = 1, .filter = &all};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
        abort();
}

int main(int argc, char **argv)
{
    struct timespec pause = {.tv_nsec = 50000000};
    if (argc > 1 && !strcmp(argv[1], "filter"))
        allow_all();
    for (;;) {
        grow();
        nanosleep(&pause, NULL);
    }
}
