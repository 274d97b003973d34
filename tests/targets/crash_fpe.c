// Divides by zero.
#include <signal.h>

int main(int argc, char **argv)
{
    (void)argv;
    volatile int zero = argc - argc;
#if defined(__x86_64__)
    return argc / zero;
#else
    raise(SIGFPE); // other processors divide by zero without a word
    return zero;
#endif
}
