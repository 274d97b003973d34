// The table of metrics: the one place that knows what a gate may be about. See gate.h.
#include "judge/gate.h"

#define NO_Q 0
#define BYTES_GAUGE(g, what)                                                                                           \
    {                                                                                                                  \
        g ".growth",                                                                                                   \
        JUDGE_M_GROWTH,                                                                                                \
        g,                                                                                                             \
        NO_Q,                                                                                                          \
        JUDGE_U_BYTES_PER_S,                                                                                           \
        false,                                                                                                         \
        "growth rate of " what " at the end of the run"},                                                              \
        {g ".total_growth",                                                                                            \
         JUDGE_M_TOTAL_GROWTH,                                                                                         \
         g,                                                                                                            \
         NO_Q,                                                                                                         \
         JUDGE_U_BYTES,                                                                                                \
         false,                                                                                                        \
         "growth of " what " from the idle baseline (or the first 2 %) to the end"},                                   \
    {                                                                                                                  \
        g ".growth_per_request", JUDGE_M_PER_REQUEST, g, NO_Q, JUDGE_U_BYTES_PER_OP, false,                            \
            "growth of " what " per request of the load"                                                               \
    }
#define COUNT_GAUGE(g, what)                                                                                           \
    {                                                                                                                  \
        g ".growth", JUDGE_M_GROWTH, g, NO_Q, JUDGE_U_PER_S, false, "growth rate of the number of " what               \
    }
#define QUANTILE(name, q, what)                                                                                        \
    {                                                                                                                  \
        "http." name, JUDGE_M_QUANTILE, NULL, q, JUDGE_U_SECONDS, true, what " of the response times"                  \
    }

const struct judge_metric judge_metrics[] = {
    {"stack.growth", JUDGE_M_STACK_GROWTH, NULL, NO_Q, JUDGE_U_BYTES_PER_S, false,
     "growth rate of the live bytes of the worst call stack"},
    BYTES_GAUGE("heap", "the live heap"),
    BYTES_GAUGE("rss", "the resident memory of the process tree"),
    BYTES_GAUGE("pss", "the proportional resident memory of the process tree"),
    BYTES_GAUGE("vsize", "the virtual size of the process tree"),
    BYTES_GAUGE("disk", "the watched files"),
    COUNT_GAUGE("fd", "open file descriptors"),
    COUNT_GAUGE("threads", "threads"),
    COUNT_GAUGE("maps", "memory mappings"),
    COUNT_GAUGE("children", "child processes"),
    COUNT_GAUGE("zombies", "zombies"),
    {"cpu", JUDGE_M_GAUGE, "cpu", NO_Q, JUDGE_U_RATIO, false, "mean CPU time; 100 % is one core"},
    QUANTILE("p50", .5, "median"),
    QUANTILE("p90", .9, "90 % quantile"),
    QUANTILE("p95", .95, "95 % quantile"),
    QUANTILE("p99", .99, "99 % quantile"),
    QUANTILE("p999", .999, "99.9 % quantile"),
    {"http.errors", JUDGE_M_ERRORS, NULL, NO_Q, JUDGE_U_RATIO, true,
     "share of requests that failed or were not as expected"},
    {"http.availability", JUDGE_M_AVAILABILITY, NULL, NO_Q, JUDGE_U_RATIO, true,
     "share of the time with requests in which at least half of them were as expected"},
    {"http.rate", JUDGE_M_RATE, NULL, NO_Q, JUDGE_U_PER_S, true, "requests finished per second"},
    {"load.requests", JUDGE_M_REQUESTS, NULL, NO_Q, JUDGE_U_COUNT, true, "requests finished in total"},
    {NULL, JUDGE_M_GAUGE, NULL, NO_Q, JUDGE_U_COUNT, false, NULL},
};

const char *judge_op_name(enum judge_op op)
{
    switch (op) {
    case JUDGE_OP_LT:
        return "<";
    case JUDGE_OP_LE:
        return "<=";
    case JUDGE_OP_GT:
        return ">";
    case JUDGE_OP_GE:
        return ">=";
    }
    return "?";
}
