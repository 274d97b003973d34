// Signals that end a command in order: see interrupt.h.
#include "cmd/interrupt.h"

#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t ended_by; // 0: none
static void (*call)(void);

static void on_signal(int sig)
{
    ended_by = sig;
    call();
}

void cmd_catch_signals(void (*then)(void))
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    struct sigaction act = {.sa_handler = on_signal}, old;
    call = then;
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
            sigaction(signals[i], &act, NULL);
}

int cmd_interrupted(void)
{
    return ended_by ? 128 + ended_by : 0;
}
