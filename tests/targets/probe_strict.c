// Allocates everything it needs, then has the kernel kill it for any system call but read, write and exit; goes on
// using malloc out of memory it already has, deeper in the stack than before.
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int sink;
static void *volatile kept; // so that the compiler removes no malloc

static __attribute__((noinline, noclone)) void deep(int n)
{
    char pad[4096];
    memset(pad, n, sizeof pad);
    if (n)
        deep(n - 1);
    else
        free(kept = malloc(64));
    sink += pad[n];
}

int main(void)
{
    void *p[100];
    for (int i = 0; i < 100; i++)
        p[i] = kept = malloc(64);
    for (int i = 0; i < 100; i++)
        free(p[i]);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT) != 0)
        return 77;
    for (int i = 0; i < 20; i++)
        free(kept = malloc(64));
    deep(20);
    if (write(1, "alive\n", 6) != 6)
        return 1;
    syscall(SYS_exit, 0);
    return 1;
}
