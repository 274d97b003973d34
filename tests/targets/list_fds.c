// Prints its open descriptors, "0 1 2", and which signals are blocked or ignored, "blocked 0 ignored 0".
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    int ignored = 0, blocked = 0;
    sigset_t mask;
    DIR *d = opendir("/proc/self/fd");
    if (!d)
        return 3;
    for (int fd = 0; fd < 1024; fd++) { // in order
        rewinddir(d);
        for (struct dirent *e; (e = readdir(d));)
            if (e->d_name[0] != '.' && atoi(e->d_name) == fd && fd != dirfd(d))
                printf("%d ", fd);
    }
    closedir(d);
    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int sig = 1; sig < 32; sig++) {
        struct sigaction sa;
        blocked += sigismember(&mask, sig) == 1;
        ignored += sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN;
    }
    printf("blocked %d ignored %d\n", blocked, ignored);
    return 0;
}
