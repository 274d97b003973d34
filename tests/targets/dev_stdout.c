// Opens /dev/stdout and /proc/self/fd/1 anew, as shell scripts do; a socket in place of a pipe makes that fail.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    static const char *const paths[] = {"/dev/stdout", "/proc/self/fd/1", "/dev/stderr"};
    for (int i = 0; i < 3; i++) {
        int fd = open(paths[i], O_WRONLY | O_APPEND);
        if (fd < 0) {
            printf("%s: %s\n", paths[i], strerror(errno));
            return 3;
        }
        dprintf(fd, "%s works\n", paths[i]);
        close(fd);
    }
    return 0;
}
