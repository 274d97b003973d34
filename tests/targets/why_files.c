// Opens files and never closes them.
#include "why_pace.h"

#include <fcntl.h>

static void step(unsigned n)
{
    (void)n;
    if (open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        exit(3);
}

int main(void)
{
    return why_pace(step, 10);
}
