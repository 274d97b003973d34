// Loads a library, leaks through it for a while, and from then on leaves it alone but goes on: what its file becomes
// does not touch the program. usage: upgraded_host LIBRARY MARK: "leaked" goes to the file MARK when that part is over
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static void on_term(int sig)
{
    (void)sig;
    _exit(0); // without the library's own end
}

int main(int argc, char **argv)
{
    void *h = argc > 2 ? dlopen(argv[1], RTLD_NOW) : NULL;
    void (*leak)(void) = h ? (void (*)(void))dlsym(h, "library_leak") : NULL;
    if (!leak)
        return 1;
    signal(SIGTERM, on_term);
    for (int i = 0; i < 1500; i++) {
        leak();
        usleep(1000);
    }
    int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0 || write(fd, "leaked\n", 7) != 7 || close(fd) != 0)
        return 1;
    for (;;)
        pause();
}
