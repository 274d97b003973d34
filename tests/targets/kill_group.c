// Signals everybody it can reach in its group: kill(0, SIGTERM), surviving itself. Whoever started it must not be hit.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    signal(SIGTERM, SIG_IGN);
    if (kill(0, SIGTERM) < 0)
        return 3;
    printf("group %s\n", getpgrp() == getpid() && getsid(0) == getpid() ? "own" : "shared");
    return 0;
}
