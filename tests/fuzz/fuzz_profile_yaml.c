// Profiles of unknown origin: parsed and checked without a crash, a hang or unbounded memory, and what is refused is
// refused in a sentence with a place.
#include "fuzz.h"
#include "profile/profile.h"

// What is dumped reads back, and is dumped the same.
static void dump_reads_back(const struct profile *p)
{
    struct seep_err err = {0};
    struct profile *again = NULL;
    char *first = profile_dump(p, false);
    if (!first) // larger than a dump may be
        return;
    if (profile_parse(first, strlen(first), "dump", &again, &err)) {
        fprintf(stderr, "%s\n%s\n", err.text, first);
        FUZZ_NEED(!"a dump reads back");
    }
    char *second = profile_dump(again, false);
    FUZZ_NEED(second != NULL && strcmp(first, second) == 0);
    free(first);
    free(second);
    profile_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seep_err err = {0};
    struct profile *p = NULL;
    if (profile_parse((const char *)data, size, "fuzz.yaml", &p, &err) == 0) {
        FUZZ_NEED(p != NULL);
        dump_reads_back(p);
    } else {
        FUZZ_NEED(p == NULL && strlen(err.text) > 10);
    }
    profile_free(p);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "version: 1\nname: a\ntarget: { command: [./x, --p, \"1\"], life: service, env: { A: b } }\n"
        "run: { duration: 10m, interval: auto }\n",
        "version: 1\nvars: { base: \"http://127.0.0.1:1\" }\nload:\n  rate: 20/s\n  stages: [ { for: 1m, to: 5/s } ]\n"
        "  scenarios:\n    - { name: a, weight: 7, request: { method: POST, url: \"${base}/x\", body: \"b\" }, "
        "expect: { status: [200, 401], under: 20ms } }\n",
        "version: 1\ngates:\n  - heap.growth < 30MB/h\n  - { gate: \"http.p99{scenario=a} < 5ms\", warn: 3ms, "
        "over: \"last 5m\", for: 60s }\n  - { gate: \"http.p99 < 10%\", vs: baseline, floor: 5ms }\n",
        "version: 1\nallow:\n  - { pattern: \"cache_*\", budget: 2MB/h, reason: known, expires: 2027-01-31 }\n"
        "shutdown: { signal: TERM, within: 10s, exit: [0, signal], back_to_baseline: 10MB }\n"
        "attribution: { mode: exact }\n",
        "version: 1\nname: |\n  block\n  text\ntarget: {command: 'a''b', cwd: \"\\x41\\u00e9\", user: 1000}\n",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
