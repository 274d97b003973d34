// Gates as a profile gives them: parsed or refused with the place of the error inside the text.
#include "fuzz.h"
#include "judge/gate.h"

#include <math.h>

// Up to six strings, separated by line ends.
static void split(char *text, const char **part, size_t n)
{
    for (size_t i = 0; i < n && text != NULL; i++) {
        char *end = strchr(text, '\n');
        if (end != NULL)
            *end++ = '\0';
        part[i] = text[0] != '\0' ? text : NULL;
        text = end;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const scraped[] = {"queue_depth", "jobs"};
    const char *part[6] = {NULL};
    char *text = calloc(1, size + 1);
    FUZZ_NEED(text != NULL);
    memcpy(text, data, size);
    split(text, part, 6);
    struct judge_gate_text t = {.gate = part[0] != NULL ? part[0] : "",
                                .over = part[1],
                                .for_time = part[2],
                                .warn = part[3],
                                .vs = part[4],
                                .floor = part[5]};
    struct judge_gate gate;
    struct judge_gate_where where = {0};
    struct seep_err err = {0};
    if (judge_gate_parse(&t, scraped, 2, &gate, &where, &err) == 0) {
        FUZZ_NEED(memchr(gate.name, 0, sizeof gate.name) != NULL && gate.n_labels <= JUDGE_LABELS_MAX);
        FUZZ_NEED(isfinite(gate.limit));
    } else {
        FUZZ_NEED(err.text[0] != '\0' && where.field != NULL && where.column >= 1);
    }
    free(text);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "heap.growth < 30MB/h",
        "http.p99{scenario=login,step=\"2\"} <= 500ms\nlast 5m\n60s\n300ms",
        "rss.total_growth < 100MiB\nwhole\n\ntrue",
        "http.p99 < 10%\neach 5m\n\n\nbaseline\n5ms",
        "queue_depth.growth >= 1/h",
        "cpu < 1e-3",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
