// Prints what no terminal should get: NUL, escape sequences, invalid UTF-8, one byte at a time, then closes stdin,
// stdout and stderr and goes on for a moment.
#include <unistd.h>

int main(void)
{
    static const char bytes[] = "a\0b\033]0;title\007\xff\xc2\x9b"
                                "31m\xe2\x80\xae"
                                "end";
    for (size_t i = 0; i < sizeof bytes - 1; i++)
        if (write(1, &bytes[i], 1) != 1)
            return 3;
    close(0);
    close(1);
    close(2);
    usleep(20000);
    return 0;
}
