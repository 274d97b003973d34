// Says "ready", then stops itself with SIGSTOP; a TERM stays pending until somebody continues it.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    printf("ready\n");
    fflush(stdout);
    raise(SIGSTOP);
    for (;;)
        pause();
}
