// The table of metrics: the one place that knows what a gate may be about. See gate.h.
#include "judge/gate.h"

#define NO_Q    0
#define OF_LOAD "load scenario step transaction"
#define BYTES_GAUGE(g, what)                                                                                           \
    {g ".growth",         JUDGE_M_GROWTH, g,     NO_Q,                                                                 \
     JUDGE_U_BYTES_PER_S, NULL,           false, "growth rate of " what " at the end of the run"},                     \
        {g ".total_growth",                                                                                            \
         JUDGE_M_TOTAL_GROWTH,                                                                                         \
         g,                                                                                                            \
         NO_Q,                                                                                                         \
         JUDGE_U_BYTES,                                                                                                \
         NULL,                                                                                                         \
         false,                                                                                                        \
         "growth of " what " from the idle baseline (or the first 2 %) to the end"},                                   \
    {                                                                                                                  \
        g ".growth_per_request", JUDGE_M_PER_REQUEST, g, NO_Q, JUDGE_U_BYTES_PER_OP, NULL, false,                      \
            "growth of " what " per request of the load, without one per operation the program marks (seep_mark.h)"    \
    }
#define COUNT_GAUGE(g, what)                                                                                           \
    {                                                                                                                  \
        g ".growth", JUDGE_M_GROWTH, g, NO_Q, JUDGE_U_PER_S, NULL, false, "growth rate of the number of " what         \
    }
#define QUANTILE(name, q, what)                                                                                        \
    {                                                                                                                  \
        "http." name, JUDGE_M_QUANTILE, NULL, q, JUDGE_U_SECONDS, OF_LOAD, false, what " of the response times"        \
    }

#define TREND(name, q, what)                                                                                           \
    {                                                                                                                  \
        "metric." name, JUDGE_M_QUANTILE, NULL, q, JUDGE_U_COUNT, "name", true, what " of the values of a trend"       \
    }

const struct judge_metric judge_metrics[] = {
    {"stack.growth", JUDGE_M_STACK_GROWTH, NULL, NO_Q, JUDGE_U_BYTES_PER_S, NULL, false,
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
    {"cpu", JUDGE_M_GAUGE, "cpu", NO_Q, JUDGE_U_RATIO, NULL, false, "mean CPU time; 100 % is one core"},
    QUANTILE("p50", .5, "median"),
    QUANTILE("p90", .9, "90 % quantile"),
    QUANTILE("p95", .95, "95 % quantile"),
    QUANTILE("p99", .99, "99 % quantile"),
    QUANTILE("p999", .999, "99.9 % quantile"),
    {"http.errors", JUDGE_M_ERRORS, NULL, NO_Q, JUDGE_U_RATIO, OF_LOAD, false,
     "share of requests that failed or were not as expected"},
    {"http.availability", JUDGE_M_AVAILABILITY, NULL, NO_Q, JUDGE_U_RATIO, OF_LOAD, false,
     "share of the time with requests in which at least half of them were as expected"},
    {"http.rate", JUDGE_M_RATE, NULL, NO_Q, JUDGE_U_PER_S, OF_LOAD, false, "requests finished per second"},
    {"load.requests", JUDGE_M_REQUESTS, NULL, NO_Q, JUDGE_U_COUNT, OF_LOAD, false, "requests finished in total"},
    {"load.iterations", JUDGE_M_ITERATIONS, NULL, NO_Q, JUDGE_U_COUNT, "load scenario", false,
     "ways through all steps of a scenario in total"},
    TREND("p50", .5, "median"),
    TREND("p90", .9, "90 % quantile"),
    TREND("p95", .95, "95 % quantile"),
    TREND("p99", .99, "99 % quantile"),
    TREND("p999", .999, "99.9 % quantile"),
    {"metric.rate", JUDGE_M_ERRORS, NULL, NO_Q, JUDGE_U_RATIO, "name", false, "share of hits of a rate"},
    {"metric.count", JUDGE_M_REQUESTS, NULL, NO_Q, JUDGE_U_COUNT, "name", false, "sum of a counter"},
    {"dependency.rss.growth", JUDGE_M_GROWTH, "dependency.rss", NO_Q, JUDGE_U_BYTES_PER_S, "name", false,
     "growth rate of the resident memory of a dependency"},
    {"dependency.rss.total_growth", JUDGE_M_TOTAL_GROWTH, "dependency.rss", NO_Q, JUDGE_U_BYTES, "name", false,
     "growth of the resident memory of a dependency from the idle baseline (or the first 2 %) to the end"},
    {"dependency.fd.growth", JUDGE_M_GROWTH, "dependency.fd", NO_Q, JUDGE_U_PER_S, "name", false,
     "growth rate of the number of open file descriptors of a dependency"},
    {"dependency.threads.growth", JUDGE_M_GROWTH, "dependency.threads", NO_Q, JUDGE_U_PER_S, "name", false,
     "growth rate of the number of threads of a dependency"},
    {"dependency.cpu", JUDGE_M_GAUGE, "dependency.cpu", NO_Q, JUDGE_U_RATIO, "name", false,
     "mean CPU time of a dependency; 100 % is one core"},
    {"fault.recovery", JUDGE_M_MAX, "fault.recovery", NO_Q, JUDGE_U_SECONDS, "fault", false,
     "longest time from the end of a fault until its conditions held again"},
    {"fault.spread", JUDGE_M_MAX, "fault.spread", NO_Q, JUDGE_U_RATIO, "fault", false,
     "greatest share of the time of a fault, and of the recovery from it, in which what it should spare was not well"},
    {"target.restarts", JUDGE_M_INCREASE, "target.restarts", NO_Q, JUDGE_U_COUNT, NULL, false,
     "how often the target was started again"},
    {"probe.failures", JUDGE_M_INCREASE, "probe.failures", NO_Q, JUDGE_U_COUNT, "name", false,
     "how many probes failed"},
    {"probe.time", JUDGE_M_MAX, "probe.time", NO_Q, JUDGE_U_SECONDS, "name", false, "longest time a probe took"},
    {NULL, JUDGE_M_GAUGE, NULL, NO_Q, JUDGE_U_COUNT, NULL, false, NULL},
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
