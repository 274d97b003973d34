// Paints the stack below a call of the malloc family and tells how deep the call went, in every situation in which the
// probe has more to do than usual. Prints "CASE BYTES" a line: the most of all tries.
// usage: stack_use DIRECTORY-OF-TARGETS
// flags: -O2 -fno-optimize-sibling-calls -fno-ipa-cp -Wl,-z,now
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROOM  49152
#define PAINT 0xa5

static size_t deepest;
static void (*volatile work)(void);
static void *volatile block;
static int pipe_fd[2];

// These two have the same frame, and so the same place for the same array.
static __attribute__((noinline, noclone)) void paint(void)
{
    unsigned char room[ROOM];
    memset(room, PAINT, sizeof room);
    __asm__ volatile("" : : "r"(room) : "memory");
}

static __attribute__((noinline, noclone)) void look(void)
{
    unsigned char room[ROOM];
    __asm__ volatile("" : "=m"(room) : "r"(room));
    size_t clean = 0;
    while (clean < ROOM && room[clean] == PAINT)
        clean++;
    if (ROOM - clean > deepest)
        deepest = ROOM - clean;
}

static __attribute__((noinline, noclone)) void measure(void)
{
    paint();
    work();
    look();
}

static void w_malloc(void)
{
    block = malloc(100);
}

static void w_pair(void)
{
    block = malloc(100);
    free(block);
    block = NULL;
}

static void w_free(void)
{
    free(block);
    block = NULL;
}

static void w_realloc(void)
{
    block = realloc(block, 200);
}

static void w_aligned(void)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, 100) == 0)
        free(p);
}

static void w_map(void)
{
    void *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p != MAP_FAILED)
        munmap(p, 8192);
}

// ---- stacks nobody has seen, sixty frames and more

static __attribute__((noinline, noclone)) void left(int depth, unsigned long way);
static __attribute__((noinline, noclone)) void right(int depth, unsigned long way);

static void on(int depth, unsigned long way)
{
    if (depth == 0)
        measure();
    else if (way & 1)
        left(depth - 1, way >> 1);
    else
        right(depth - 1, way >> 1);
}

static void left(int depth, unsigned long way)
{
    on(depth, way);
    __asm__ volatile("" : : : "memory");
}

static void right(int depth, unsigned long way)
{
    on(depth, way);
    __asm__ volatile("nop" : : : "memory");
}

// A frame that only its own rules can undo: its CFA hangs on rbx.
void in_strange_frame(void (*f)(void));
__asm__(".text\n.globl in_strange_frame\n.type in_strange_frame, @function\nin_strange_frame:\n"
        ".cfi_startproc\n\tpush %rbx\n.cfi_def_cfa_offset 16\n.cfi_offset 3, -16\n\t"
        "mov %rsp, %rbx\n.cfi_def_cfa_register 3\n\tsub $32, %rsp\n\tcall *%rdi\n\t"
        "mov %rbx, %rsp\n.cfi_def_cfa_register 7\n\tpop %rbx\n.cfi_def_cfa_offset 8\n\tret\n.cfi_endproc\n"
        ".size in_strange_frame, .-in_strange_frame\n");

static unsigned long next_way;

static void some_way(void)
{
    on(60, next_way);
}

static void handler(int sig)
{
    (void)sig;
    measure();
}

static void *in_thread(void *arg)
{
    (void)arg;
    measure();
    return NULL;
}

// ---- cases

static void tell(const char *name, void (*run)(void), void (*what)(void), int times)
{
    deepest = 0;
    work = what;
    for (int i = 0; i < times; i++)
        run();
    printf("%s %zu\n", name, deepest);
}

static void in_new_stack(void)
{
    next_way = next_way * 6364136223846793005ul + 1442695040888963407ul;
    some_way();
}

static void in_slow_stack(void)
{
    next_way = next_way * 6364136223846793005ul + 1442695040888963407ul;
    in_strange_frame(some_way);
}

static void in_new_thread(void)
{
    pthread_t t;
    if (pthread_create(&t, NULL, in_thread, NULL) == 0)
        pthread_join(t, NULL);
}

static void in_handler(void)
{
    raise(SIGUSR1);
}

// The child's first call: it asks for a region and takes over what its parent knew.
static void in_child(void)
{
    size_t seen = 0;
    if (pipe(pipe_fd) != 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0) {
        deepest = 0;
        measure();
        _exit(write(pipe_fd[1], &deepest, sizeof deepest) != sizeof deepest);
    }
    close(pipe_fd[1]);
    if (pid < 0 || read(pipe_fd[0], &seen, sizeof seen) != sizeof seen)
        exit(1);
    close(pipe_fd[0]);
    waitpid(pid, NULL, 0);
    if (seen > deepest)
        deepest = seen;
}

static void in_plugin(const char *dir)
{
    char path[512];
    snprintf(path, sizeof path, "%s/probe_plugin_a", dir);
    void *h = dlopen(path, RTLD_NOW);
    void *(*f)(size_t) = h ? (void *(*)(size_t))dlsym(h, "plugin_alloc") : NULL;
    if (!f)
        exit(1);
    deepest = 0;
    paint();
    block = f(100);
    look();
    printf("plugin %zu\n", deepest);
    free(block);
    dlclose(h);
}

// A stack the probe has just met. One walk in 1024 is done over, so fewer than that.
static void again(void)
{
    work = w_pair;
    for (volatile int i = 0; i < 201; i++) { // volatile: from one place
        measure();
        deepest = i ? deepest : 0;
    }
    printf("again %zu\n", deepest);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGUSR1, handler);
    tell("first", measure, w_malloc, 1);
    again();
    tell("free", measure, w_free, 1);
    tell("realloc", measure, w_realloc, 20);
    tell("aligned", measure, w_aligned, 20);
    tell("map", measure, w_map, 20);
    tell("new_stack", in_new_stack, w_pair, 200);
    tell("slow_stack", in_slow_stack, w_pair, 200);
    tell("thread", in_new_thread, w_pair, 20);
    tell("handler", in_handler, w_pair, 20);
    tell("child", in_child, w_pair, 5);
    in_plugin(argc > 1 ? argv[1] : ".");
    return 0;
}
