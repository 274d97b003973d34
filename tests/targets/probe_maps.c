// Maps and unmaps: 100 mappings of 64 KiB of which 40 stay whole and 10 lose a page in the middle. Prints what is live.
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
    char *p[100];
    for (int i = 0; i < 100; i++)
        p[i] = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int i = 50; i < 100; i++)
        munmap(p[i], 65536);
    for (int i = 40; i < 50; i++)
        munmap(p[i] + 8192, 4096);
    p[0] = mremap(p[0], 65536, 131072, MREMAP_MAYMOVE);
    dprintf(1, "live %d\n", 50 * 65536 - 10 * 4096 + 65536);
    char c;
    return read(0, &c, 1) < 0;
}
