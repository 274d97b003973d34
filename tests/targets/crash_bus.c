// Touches a mapped page beyond the end of its file.
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    FILE *f = tmpfile();
    if (!f)
        return 3;
    volatile char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(f), 0);
    if (p == MAP_FAILED)
        return 3;
    p[0] = 1;
    return 0;
}
