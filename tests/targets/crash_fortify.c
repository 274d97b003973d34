// flags: -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
// Overflows a buffer where the C library checks: __fortify_fail() aborts.
#include <string.h>

int main(int argc, char **argv)
{
    char small[8];
    volatile size_t len = 64 + (size_t)argc;
    char big[128] = {0};
    strncpy(big, argv[0], sizeof big - 1);
    memcpy(small, big, len);
    return small[0];
}
