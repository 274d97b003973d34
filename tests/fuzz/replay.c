// The main of a fuzz harness that is not linked to libFuzzer:
//   fuzz_X [--mutations N] [--seed S] [FILE|DIRECTORY...]   runs files, the harness's own seeds, then N mutations of
//   both fuzz_X --write-seeds DIRECTORY                          writes the seeds as files, a corpus to begin with
//   fuzz_X --only I                                         mutation I of the same sequence alone, to look at it
// An input that takes more than a minute is a hang. Whatever ends the process names the input first.
#include "fuzz.h"
#include "mutate.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

enum { INPUTS_MAX = 4096, SECONDS_MAX = 60 };

struct input {
    uint8_t *data;
    size_t size;
};

static struct input inputs[INPUTS_MAX];
static size_t n_inputs;
static char now[4200]; // what is being run, for the obituary

static void tell(void)
{
    const char text[] = "\nwhile running ";
    ssize_t n = write(2, text, sizeof text - 1);
    n += write(2, now, strlen(now));
    n += write(2, "\n", 1);
    (void)n;
}

static void on_signal(int sig)
{
    tell();
    signal(sig, SIG_DFL);
    raise(sig);
}

// Sanitizers call it before they end the process.
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void add(const uint8_t *data, size_t size)
{
    if (n_inputs == INPUTS_MAX)
        return;
    inputs[n_inputs].data = malloc(size + 1);
    FUZZ_NEED(inputs[n_inputs].data != NULL);
    memcpy(inputs[n_inputs].data, data, size);
    inputs[n_inputs++].size = size;
}

// Each input in memory of exactly its size, so that a sanitizer sees a read past its end.
static void run(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    FUZZ_NEED(exact != NULL);
    if (size > 0)
        memcpy(exact, data, size);
    alarm(SECONDS_MAX);
    LLVMFuzzerTestOneInput(exact, size);
    alarm(0);
    free(exact);
}

static void run_file(const char *path)
{
    static uint8_t data[FUZZ_INPUT_MAX];
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        DIR *dir = opendir(path);
        for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;) {
            char inner[4096];
            if (e->d_name[0] == '.' || snprintf(inner, sizeof inner, "%s/%s", path, e->d_name) >= (int)sizeof inner)
                continue;
            run_file(inner);
        }
        closedir(dir);
        return;
    }
    snprintf(now, sizeof now, "%s", path);
    size_t size = fuzz_seed_file(path, data, 0);
    add(data, size);
    run(data, size);
}

static void run_seeds(const char *write_to)
{
    static uint8_t data[FUZZ_INPUT_MAX];
    size_t size;
    for (unsigned i = 0; (size = fuzz_seed(i, data)) > 0; i++) {
        snprintf(now, sizeof now, "seed %u", i);
        if (write_to != NULL) {
            char path[4096];
            snprintf(path, sizeof path, "%s/seed-%u", write_to, i);
            FILE *f = fopen(path, "wb");
            FUZZ_NEED(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0);
        } else {
            add(data, size);
            run(data, size);
        }
    }
}

static void run_mutations(unsigned long n, uint64_t seed, long only)
{
    static uint8_t data[FUZZ_INPUT_MAX];
    for (unsigned long i = 0; i < n && n_inputs > 0; i++) {
        uint64_t rng = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
        const struct input *from = &inputs[mutate_next(&rng) % n_inputs];
        memcpy(data, from->data, from->size);
        size_t size = mutate(data, from->size, sizeof data, &rng);
        if (only >= 0 && (long)i != only)
            continue;
        snprintf(now, sizeof now, "mutation %lu of seed %llu", i, (unsigned long long)seed);
        run(data, size);
    }
}

int main(int argc, char **argv)
{
    unsigned long mutations = 0;
    uint64_t seed = 1;
    long only = -1;
    const char *write_to = NULL;
    const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGALRM};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        if (fatal[i] == SIGALRM || __sanitizer_set_death_callback == NULL)
            signal(fatal[i], on_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(tell);
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (more && strcmp(argv[i], "--mutations") == 0)
            mutations = strtoul(argv[++i], NULL, 10);
        else if (more && strcmp(argv[i], "--seed") == 0)
            seed = strtoull(argv[++i], NULL, 10);
        else if (more && strcmp(argv[i], "--only") == 0)
            only = strtol(argv[++i], NULL, 10);
        else if (more && strcmp(argv[i], "--write-seeds") == 0)
            write_to = argv[++i];
        else
            run_file(argv[i]);
    }
    run_seeds(write_to);
    run_mutations(mutations, seed, only);
    printf("%zu inputs and %lu mutations\n", n_inputs, mutations);
    for (size_t i = 0; i < n_inputs; i++)
        free(inputs[i].data);
    return 0;
}
