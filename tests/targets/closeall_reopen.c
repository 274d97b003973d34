// Closes every descriptor it did not open, opens its own files in their place, allocates a lot, and checks that its
// files hold its own bytes and nothing else.
// usage: closeall_reopen DIRECTORY
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES 32

int main(int argc, char **argv)
{
    void *kept[1000];
    char path[512];
    int fd[FILES];
    void *before = malloc(100); // the probe is up by now
    close_range(3, ~0u, 0);
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/f%d", argc > 1 ? argv[1] : ".", i);
        fd[i] = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
        if (fd[i] != 3 + i || write(fd[i], "own bytes", 9) != 9)
            return 2; // somebody holds a descriptor here
    }
    free(before);
    for (int round = 0; round < 100; round++) {
        for (int i = 0; i < 1000; i++)
            kept[i] = malloc((size_t)(i * 37 % 5000));
        for (int i = 0; i < 1000; i++)
            free(kept[i]);
    }
    for (int i = 0; i < FILES; i++) {
        struct stat st;
        char back[16] = {0};
        if (fstat(fd[i], &st) != 0 || st.st_size != 9 || lseek(fd[i], 0, SEEK_CUR) != 9 ||
            pread(fd[i], back, 15, 0) != 9 || memcmp(back, "own bytes", 9) != 0)
            return 3;
    }
    puts("unharmed");
    return 0;
}
