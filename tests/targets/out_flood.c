// Prints argv[1] bytes (default 64 MiB) of numbered lines to stdout as fast as it can, then "the end" without a
// newline.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    long long wanted = argc > 1 ? atoll(argv[1]) : 64ll << 20, done = 0;
    static char block[65536];
    for (size_t i = 0; i < sizeof block; i += 32)
        memcpy(block + i, "line of thirty-one characters..\n", 32);
    while (done < wanted) {
        size_t len = wanted - done < (long long)sizeof block ? (size_t)(wanted - done) : sizeof block;
        ssize_t put = write(1, block, len);
        if (put < 0)
            return 3;
        done += put;
    }
    return write(1, "the end", 7) == 7 ? 0 : 3;
}
