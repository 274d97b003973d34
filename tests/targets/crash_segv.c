// Writes to an address nobody mapped. Prints one line first: it must be in the captured output.
#include <stdio.h>

int main(void)
{
    printf("last words\n");
    fflush(stdout);
    *(volatile int *)16 = 1;
    return 0;
}
