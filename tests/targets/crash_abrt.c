// Calls abort(), as a failed assertion does.
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    printf("last words without a newline");
    fflush(stdout);
    abort();
}
