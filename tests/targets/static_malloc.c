// A program linked statically, which no preloaded library reaches: allocates a little until it is told to end.
// flags: -static
#include <stdlib.h>
#include <unistd.h>

int main(void)
{
    for (;;) {
        void *p = malloc(100);
        if (!p)
            return 1;
        free(p);
        usleep(1000);
    }
}
