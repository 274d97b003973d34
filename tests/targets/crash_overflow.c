// Recurses until the stack is used up.
#include <string.h>

static int deeper(int n)
{
    volatile char frame[4096];
    memset((char *)frame, n, sizeof frame);
    return deeper(n + 1) + frame[n & 4095];
}

int main(void)
{
    return deeper(0);
}
