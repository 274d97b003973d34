// Locks all its memory, now and in the future, and says what the kernel answered; then allocates.
// usage: harm_mlock [limited]: without the privilege to lock more than 8 MB
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LIMIT_BYTES 8000000u

static int give_up_privilege(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct cap[2];
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 || syscall(SYS_capget, &head, cap) != 0)
        return -1;
    cap[0].effective &= ~(1u << CAP_IPC_LOCK);
    limit.rlim_cur = LIMIT_BYTES < limit.rlim_max ? LIMIT_BYTES : limit.rlim_max;
    return syscall(SYS_capset, &head, cap) != 0 || setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "limited") && give_up_privilege() != 0)
        return 77;
    int ret = mlockall(MCL_CURRENT | MCL_FUTURE);
    printf("mlockall %d %s\n", ret, ret ? strerror(errno) : "");
    for (int i = 0; i < 100; i++) {
        char *p = malloc(50000);
        printf("%d", p != NULL);
        if (p)
            memset(p, 1, 50000);
        free(p);
    }
    printf("\nmunlockall %d\n", munlockall());
    return 0;
}
