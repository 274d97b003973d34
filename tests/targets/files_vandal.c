// flags: -rdynamic
// Turns on the files that tell what its code is: deletes its own program and puts garbage there, and does with its perf
// map what the argument says. Loses a block from plain code and one from generated code at each round.
// usage: files_vandal garbage|names|fifo|link|huge|gone
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void *volatile kept;
static char map_path[64];

__attribute__((noinline)) void lose(size_t size)
{
    kept = malloc(size);
    memset(kept, 1, size);
}

__attribute__((noinline)) void lose_plainly(void)
{
    lose(3000);
    kept = NULL;
}

// void f(void (*callee)(size_t), size_t size), with a frame pointer
static const unsigned char framed[] = {0x55, 0x48, 0x89, 0xe5, 0x48, 0x89, 0xf8,
                                       0x48, 0x89, 0xf7, 0xff, 0xd0, 0x5d, 0xc3};
typedef void generated(void (*)(size_t), size_t);

static generated *generate(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    generated *code;
    memcpy(page, framed, sizeof framed);
    mprotect(page, 4096, PROT_READ | PROT_EXEC);
    memcpy(&code, &page, sizeof code);
    return code;
}

static void write_garbage(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    unsigned x = 7;
    for (int i = 0; i < 50000 && fd >= 0; i++) {
        x = x * 1664525 + 1013904223;
        if (write(fd, &x, sizeof x) < 0)
            break;
    }
    close(fd);
}

static void write_names(uintptr_t at)
{
    FILE *f = fopen(map_path, "w");
    if (!f)
        return;
    for (int i = 0; i < 2000; i++) // overlapping, wrapped round, without an end, without a name
        fprintf(f, "%lx %lx <script>alert(%d)</script>\x1b]0;x\a\n", (unsigned long)at - (unsigned long)i, 9000UL, i);
    fprintf(f, "ffffffffffffffff ffffffffffffffff x\n%lx\n-1 -1 -1\n%lx 10", (unsigned long)at, (unsigned long)at);
    fclose(f);
}

static void turn_on_map(const char *how, uintptr_t at)
{
    unlink(map_path);
    if (!strcmp(how, "garbage"))
        write_garbage(map_path);
    else if (!strcmp(how, "names"))
        write_names(at);
    else if (!strcmp(how, "fifo"))
        (void)!mkfifo(map_path, 0600);
    else if (!strcmp(how, "link"))
        (void)!symlink("/dev/zero", map_path);
    else if (!strcmp(how, "huge"))
        (void)!truncate((close(open(map_path, O_WRONLY | O_CREAT, 0600)), map_path), 1L << 36);
}

static void turn_on_program(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0)
        return;
    path[n] = 0;
    unlink(path);
    write_garbage(path);
}

static volatile sig_atomic_t ended;

static void on_term(int sig)
{
    ended = sig;
}

int main(int argc, char **argv)
{
    generated *code = generate();
    uintptr_t at;
    memcpy(&at, &code, sizeof at);
    signal(SIGTERM, on_term);
    snprintf(map_path, sizeof map_path, "/tmp/perf-%d.map", (int)getpid());
    turn_on_program();
    for (unsigned round = 0; !ended; round++) {
        if (round % 100 == 0)
            turn_on_map(argc > 1 ? argv[1] : "gone", at);
        lose_plainly();
        code(lose, 5000);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    unlink(map_path);
    return 0;
}
