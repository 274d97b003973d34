// flags: -fno-pie -no-pie
// Marks its operations, and knows how often.
// mark_ops KIND [N]: prints a line "NAME COUNT" for each name.
//   serve    until SIGTERM: logins, each of which loses 48 bytes, and lists, which lose nothing
//   threads  N threads at once, names of their own and one for all
//   many     N names
//   crew     after two seconds N workers one after the other, 25 jobs each; then until SIGTERM
//   forks    N children beside a parent, each with a region of its own
//   signals  N marks in handlers that interrupt marks and allocations
//   names    long, empty and missing names, counts of more than one; errno stays
//   quiet    marks, and never allocates
// In code that is not position independent, where weak symbols are easily lost.
#include "seep_mark.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t stop;
static volatile unsigned long in_handlers;
static unsigned long many = 4;

static void on_term(int sig)
{
    (void)sig;
    stop = 1;
}

__attribute__((noinline)) static void *login(void)
{
    return malloc(48);
}

static int serve(void)
{
    unsigned long logins = 0, lists = 0;
    unsigned random = 1;
    signal(SIGTERM, on_term);
    while (!stop) {
        random = random * 1103515245u + 12345u;
        if ((random >> 16) % 8 < 3 + 2 * (logins / 3000 % 2)) {
            if (!login())
                return 1;
            SEEP_MARK("login");
            logins++;
        } else {
            free(malloc(200 + (random >> 16) % 100));
            SEEP_MARK("list");
            lists++;
        }
        if ((logins + lists) % 8 == 0)
            usleep(1000);
    }
    printf("login %lu\nlist %lu\n", logins, lists);
    return 0;
}

static void *work(void *arg)
{
    char name[16];
    unsigned long own = (unsigned long)arg;
    snprintf(name, sizeof name, "thread-%lu", own);
    for (unsigned long i = 0; i < 50000; i++) {
        SEEP_MARK("all");
        if (i % 5 == 0)
            SEEP_MARK(name);
        if (i % 1000 == 0)
            free(malloc(64));
    }
    return NULL;
}

static int threads(void)
{
    pthread_t t[64];
    for (unsigned long i = 0; i < many; i++)
        if (pthread_create(&t[i], NULL, work, (void *)i))
            return 1;
    for (unsigned long i = 0; i < many; i++) {
        pthread_join(t[i], NULL);
        printf("thread-%lu 10000\n", i);
    }
    printf("all %lu\n", many * 50000);
    return 0;
}

// Past the ceiling the rest stands under "(other)"; 63 names have a place.
static int names_beyond(void)
{
    unsigned long others = 0;
    for (unsigned long i = 0; i < many; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%lu", i);
        SEEP_MARK_N(name, i + 1);
        SEEP_MARK(name);
        if (i < 63)
            printf("%s %lu\n", name, i + 2);
        else
            others += i + 2;
    }
    if (others)
        printf("(other) %lu\n", others);
    return 0;
}

static int forks(void)
{
    SEEP_MARK_N("parent", 7);
    for (unsigned long i = 0; i < many; i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            for (unsigned long k = 0; k <= i; k++)
                SEEP_MARK("child");
            _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status)
            return 1;
        SEEP_MARK("parent");
    }
    printf("parent %lu\n", 7 + many);
    return 0;
}

static int crew(void)
{
    signal(SIGTERM, on_term);
    sleep(2);
    for (unsigned long i = 0; i < many && !stop; i++) {
        pid_t child = fork();
        int status;
        if (child == 0) {
            for (unsigned long k = 0; k < 25; k++) {
                SEEP_MARK("job");
                usleep(1000);
            }
            _exit(0);
        }
        if (child < 0 || waitpid(child, &status, 0) != child || status)
            return 1;
        SEEP_MARK("worker");
    }
    SEEP_MARK("crew");
    printf("job %lu\n", 25 * many);
    fflush(stdout);
    while (!stop)
        pause();
    return 0;
}

static void on_alarm(int sig)
{
    int was = errno;
    (void)sig;
    SEEP_MARK("tick");
    SEEP_MARK("work");
    in_handlers++;
    if (errno != was)
        _exit(3);
}

static int signals(void)
{
    unsigned long works = 0;
    struct itimerval each = {{0, 200}, {0, 200}};
    signal(SIGALRM, on_alarm);
    setitimer(ITIMER_REAL, &each, NULL);
    while (in_handlers < many) {
        SEEP_MARK("work");
        free(malloc(100));
        works++;
    }
    signal(SIGALRM, SIG_IGN);
    printf("tick %lu\nwork %lu\n", in_handlers, works + in_handlers);
    return 0;
}

static int names(void)
{
    char longest[100];
    memset(longest, 'x', sizeof longest);
    longest[99] = '\0';
    errno = EXDEV;
    SEEP_MARK_N("rows", 1000);
    SEEP_MARK_N("rows", 0);
    SEEP_MARK_N("never", 0);
    SEEP_MARK(longest);
    longest[60] = '\0';
    SEEP_MARK(longest); // no different within the bytes that count
    SEEP_MARK("");
    SEEP_MARK((const char *)NULL);
    SEEP_MARK("\x1b[31m\"<b>");
    if (errno != EXDEV)
        return 3;
    longest[47] = '\0';
    printf("rows 1000\n%s 2\n(other) 2\n\x1b[31m\"<b> 1\n", longest);
    return 0;
}

static int quiet(void)
{
    for (int i = 0; i < 1000; i++)
        SEEP_MARK("quiet");
    return write(1, "quiet 1000\n", 11) == 11 ? 0 : 1;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } kinds[] = {{"serve", serve}, {"threads", threads}, {"many", names_beyond}, {"crew", crew},
                 {"forks", forks}, {"signals", signals}, {"names", names},       {"quiet", quiet}};
    if (argc > 2)
        many = strtoul(argv[2], NULL, 10);
    for (size_t i = 0; argc > 1 && i < sizeof kinds / sizeof *kinds; i++)
        if (!strcmp(argv[1], kinds[i].name))
            return kinds[i].run();
    return 2;
}
