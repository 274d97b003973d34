// Blocks held in every way a program can hold them, and some that nobody holds. Each kind has a block size of its own,
// so that a reader tells them apart. Prints "ready" and then lives until it is killed; threads keep moving things.
// flags: -fno-optimize-sibling-calls
// libs: -lrt
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define N 64

// One call site per kind would be the same stack for all: the size goes through a function of its own.
__attribute__((noinline)) static void *make(size_t size)
{
    unsigned char *p = malloc(size);
    memset(p, 0, size);
    return p;
}

struct node {
    struct node *next, *other;
};

// Nothing of what a kind leaves behind in dead frames shall hold its blocks: overwrite them.
__attribute__((noinline)) static void scrub(void)
{
    volatile char dirt[16384];
    for (size_t i = 0; i < sizeof dirt; i++)
        dirt[i] = 0;
}

#define KIND(size) __attribute__((noinline)) static void kind_##size(void)

#define LOST 3000 // more than all registers of the threads could hold
KIND(200)         // lost, one by one
{
    for (int i = 0; i < LOST; i++)
        *(volatile char *)make(200) = 1;
}

KIND(208) // lost in pairs that point at each other
{
    for (int i = 0; i < LOST / 2; i++) {
        struct node *a = make(208), *b = make(208);
        a->next = b;
        b->next = a;
        a->other = a;
    }
}

static struct node *list_head;
KIND(216) // a list under a global variable
{
    for (int i = 0; i < N; i++) {
        struct node *n = make(216);
        n->next = list_head;
        list_head = n;
    }
}

static void *volatile tagged[N];
KIND(224) // tags in the low bits
{
    for (int i = 0; i < N; i++)
        tagged[i] = (char *)make(224) + 1 + i % 7;
}

static void *volatile interior[N];
KIND(232) // only a pointer into the middle
{
    for (int i = 0; i < N; i++)
        interior[i] = (char *)make(232) + 120;
}

static void *volatile past_end[N];
KIND(240) // only a pointer just past the end
{
    for (int i = 0; i < N; i++)
        past_end[i] = (char *)make(240) + 240;
}

static struct {
    char odd;
    struct {
        short length;
        void *volatile p;
    } __attribute__((packed)) entry[N];
} __attribute__((packed)) packed_table;
KIND(248) // pointers at odd addresses
{
    for (int i = 0; i < N; i++)
        packed_table.entry[i].p = make(248);
}

static volatile uint64_t boxed[N];
KIND(256) // tagged in the upper bits, as NaN boxing does
{
    for (int i = 0; i < N; i++)
        boxed[i] = (uint64_t)(uintptr_t)make(256) | 0xfffc000000000000u;
}

static int epoll_fd;
KIND(264) // only the kernel knows: epoll data
{
    epoll_fd = epoll_create1(0);
    for (int i = 0; i < N; i++) {
        struct epoll_event ev = {.events = EPOLLIN, .data.ptr = make(264)};
        epoll_ctl(epoll_fd, EPOLL_CTL_ADD, eventfd(0, 0), &ev);
    }
}

KIND(272) // only the kernel knows: timers
{
    for (int i = 0; i < N; i++) {
        timer_t id;
        struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
        ev.sigev_value.sival_ptr = make(272);
        if (timer_create(CLOCK_MONOTONIC, &ev, &id) == 0)
            timer_settime(id, 0, &(struct itimerspec){.it_value.tv_sec = 100000}, NULL);
    }
}

static void **mapped(int flags, size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags | MAP_ANONYMOUS, -1, 0);
}

KIND(280) // in shared memory; the mapping's own address is in a global
{
    static void *volatile *volatile table;
    table = mapped(MAP_SHARED, 4096);
    for (int i = 0; i < N; i++)
        table[i] = make(280);
}

KIND(288) // in an arena of the program's own
{
    static void *volatile *volatile arena;
    arena = mapped(MAP_PRIVATE, 1 << 20);
    for (int i = 0; i < N; i++)
        arena[i * 1000] = make(288);
}

KIND(296) // in memory that was made inaccessible meanwhile
{
    static void *volatile *volatile vault;
    vault = mapped(MAP_PRIVATE, 4096);
    for (int i = 0; i < N; i++)
        vault[i] = make(296);
    mprotect((void *)(uintptr_t)vault, 4096, PROT_NONE);
}

KIND(304) // held by blocks of another call stack
{
    static void *volatile *volatile table;
    table = make(N * sizeof *table + 4000);
    for (int i = 0; i < N; i++)
        table[i] = make(304);
}

// ---- threads

static pthread_barrier_t ready;
static __thread void *volatile mine[N];

static void *tls_thread(void *arg) // 312: in another thread's thread-local storage
{
    (void)arg;
    for (int i = 0; i < N; i++)
        mine[i] = make(312);
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
}

__attribute__((noinline)) static void hold_in_frame(void)
{
    void *volatile frame[N];
    for (int i = 0; i < N; i++)
        frame[i] = make(320);
    scrub();
    pthread_barrier_wait(&ready);
    for (;;)
        pause();
    (void)frame;
}

static void *stack_thread(void *arg) // 320: in another thread's frames
{
    hold_in_frame();
    return arg;
}

__attribute__((noinline)) static struct node *chain(size_t size)
{
    struct node *head = NULL;
    for (int i = 0; i < N; i++) {
        struct node *n = make(size);
        n->next = head;
        head = n;
    }
    return head;
}

// The head of a chain, inverted, so that no frame on the way holds the address itself.
__attribute__((noinline)) static uintptr_t hidden_chain(size_t size)
{
    return ~(uintptr_t)chain(size);
}

// 328: a chain whose head is in a callee-saved register only while the thread sleeps in a system call.
__attribute__((noinline)) static void sleep_holding(uintptr_t hidden)
{
#if defined __x86_64__
    __asm__ volatile("mov %0, %%rbx\n\t"
                     "not %%rbx\n\t"
                     "xor %%edi, %%edi\n\t"
                     "xor %%esi, %%esi\n\t"
                     "1: mov $34, %%eax\n\t" // pause
                     "syscall\n\t"
                     "jmp 1b"
                     :
                     : "r"(hidden)
                     : "rax", "rcx", "r11", "rdi", "rsi", "rbx", "memory");
#else
    for (uintptr_t volatile keep = ~hidden;; keep = keep)
        pause();
#endif
}

static void *asleep_thread(void *arg)
{
    (void)arg;
    uintptr_t hidden = hidden_chain(328);
    scrub();
    pthread_barrier_wait(&ready);
    sleep_holding(hidden);
    return NULL;
}

// 336: the same in a thread that never sleeps.
static void *awake_thread(void *arg)
{
    (void)arg;
    uintptr_t hidden = hidden_chain(336);
    scrub();
    pthread_barrier_wait(&ready);
#if defined __x86_64__
    __asm__ volatile("mov %0, %%r13\n\t"
                     "not %%r13\n\t"
                     "1: pause\n\t"
                     "jmp 1b"
                     :
                     : "r"(hidden)
                     : "r13", "memory");
#else
    for (uintptr_t volatile keep = ~hidden;; keep = keep)
        sched_yield();
#endif
    return NULL;
}

static void **moving;
static void *moving_thread(void *arg) // 344: in an array that is always on the move
{
    (void)arg;
    moving = make(4096);
    for (int i = 0; i < N; i++)
        moving[i] = make(344);
    pthread_barrier_wait(&ready);
    for (unsigned x = 1;; x = x * 1664525 + 1013904223) {
        size_t size = 1024 + (x >> 8) % 300000;
        void **next = make(size);
        memcpy(next, moving, N * sizeof *next);
        memset(moving, 0, N * sizeof *moving);
        free(moving);
        moving = next;
        usleep(200);
    }
}

static struct node *queue[2];
static void *queue_thread(void *arg) // 352: from one queue to the other and back
{
    (void)arg;
    queue[0] = chain(352);
    pthread_barrier_wait(&ready);
    for (int from = 0;; from = !queue[from] ? !from : from) {
        struct node *n = queue[from];
        if (!n)
            continue;
        queue[from] = n->next;
        n->next = queue[!from];
        queue[!from] = n;
        if (!queue[from])
            usleep(100);
    }
}

static ucontext_t outside, fiber;
static void fiber_main(void)
{
    void *volatile frame[N];
    for (int i = 0; i < N; i++)
        frame[i] = make(360);
    swapcontext(&fiber, &outside);
    (void)frame;
}

KIND(360) // in the frames of a coroutine that sleeps, on a stack from a pool below the one in use
{
    static char *volatile pool;
    pool = (char *)mapped(MAP_PRIVATE, 4 << 16);
    getcontext(&fiber);
    fiber.uc_stack.ss_sp = pool;
    fiber.uc_stack.ss_size = 1 << 16;
    makecontext(&fiber, fiber_main, 0);
    swapcontext(&outside, &fiber);
}

static struct node *big_head;
__attribute__((noinline)) static void big_heap(size_t bytes) // 1024: reachable, in quantity
{
    for (size_t n = 0; n < bytes / 1024; n++) {
        struct node *b = make(1024);
        b->next = big_head;
        big_head = b;
    }
}

int main(int argc, char **argv)
{
    void *(*const threads[])(void *) = {tls_thread,   stack_thread,  asleep_thread,
                                        awake_thread, moving_thread, queue_thread};
    void (*const kinds[])(void) = {kind_200, kind_208, kind_216, kind_224, kind_232, kind_240, kind_248, kind_256,
                                   kind_264, kind_272, kind_280, kind_288, kind_296, kind_304, kind_360};
    size_t n = sizeof threads / sizeof *threads;
    pthread_t t;
    prctl(PR_SET_PDEATHSIG, SIGKILL); // threads that spin must not outlive a test that failed
    pthread_barrier_init(&ready, NULL, (unsigned)n + 1);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        kinds[i]();
        scrub();
    }
    for (size_t i = 0; i < n; i++)
        pthread_create(&t, NULL, threads[i], NULL);
    pthread_barrier_wait(&ready);
    // Last: should the tests' keeper not keep up with allocating its region, these are the blocks that find no place.
    big_heap(argc > 1 ? strtoul(argv[1], NULL, 10) << 20 : 1 << 20);
    scrub();
    if (write(1, "ready\n", 6) != 6)
        return 1;
    for (;;)
        pause();
}
