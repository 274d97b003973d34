// Locks all its memory, now and in the future, and says what the kernel answered; then allocates.
// usage: harm_mlock
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

int main(void)
{
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
