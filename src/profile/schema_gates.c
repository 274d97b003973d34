// Keys of gates, of requirements that are made of gates, and of stacks that may grow: see schema.h, schema_rows.h.
#include "profile/schema_rows.h"

const struct schema_key schema_gate[] = {{.name = "gate",
                                          .type = KEY_TEXT,
                                          .flags = KEY_REQUIRED,
                                          AT(struct profile_gate, expr),
                                          .type_name = "expression",
                                          .help = "METRIC < LIMIT, for instance heap.growth < 1MB/h"},
                                         {.name = "warn",
                                          .type = KEY_TEXT,
                                          AT(struct profile_gate, warn),
                                          .help = "limit from which on it warns; true: the gate itself only warns"},
                                         {.name = "over",
                                          .type = KEY_TEXT,
                                          AT(struct profile_gate, over),
                                          .help = "the part it looks at: whole, 'last 5m', 'each 5m'"},
                                         {.name = "for",
                                          .type = KEY_TEXT,
                                          AT(struct profile_gate, hold_for),
                                          .help = "how long the limit must be passed before it fails"},
                                         {.name = "vs",
                                          .type = KEY_TEXT,
                                          AT(struct profile_gate, vs),
                                          .help = "baseline: the limit is a change against the baseline run"},
                                         {.name = "floor",
                                          .type = KEY_TEXT,
                                          AT(struct profile_gate, floor),
                                          .help = "least absolute change that counts, with vs"},
                                         END};

#define AREA(key, index, what)                                                                                         \
    {                                                                                                                  \
        .name = key, .type = KEY_LIST, .sub = schema_gate, .item_size = sizeof(struct profile_gate),                   \
        AT(struct profile_requirements, gates[index]), COUNT(struct profile_requirements, n_gates[index]),             \
        .scalar_key = "gate", WHERE(struct profile_gate, where), .help = what                                          \
    }

const struct schema_key schema_requirements[] = {
    {.name = "name",
     .type = KEY_NAME,
     AT(struct profile_requirements, name),
     .help = "what the set is called in reports, for instance strict"},
    {.name = "at_least",
     .type = KEY_CHOICE,
     .choices = "none|poor|fair|good|excellent",
     .def = "none",
     AT(struct profile_requirements, at_least),
     .help = "a run with a worse grade fails; none: the grade is information"},
    AREA("latency", PROFILE_LATENCY, "limits of response times, as gates"),
    AREA("throughput", PROFILE_THROUGHPUT, "demands on rates, as gates"),
    AREA("cpu", PROFILE_CPU, "limits of CPU use, as gates"),
    AREA("memory", PROFILE_MEMORY, "limits of memory and its growth, as gates"),
    AREA("errors", PROFILE_ERRORS, "limits of failures, as gates"),
    AREA("availability", PROFILE_AVAILABILITY, "demands on the time it answers, as gates"),
    END};

const struct schema_key schema_allow[] = {
    {.name = "pattern",
     .type = KEY_TEXT,
     .flags = KEY_REQUIRED,
     AT(struct profile_allow, pattern),
     .help = "glob over function, file and module names of the stack's frames; inner < outer for a chain of them"},
    {.name = "budget",
     .type = KEY_NUMBER,
     .unit = UNIT_BYTES_PER_SECOND,
     .flags = KEY_REQUIRED,
     AT(struct profile_allow, budget_bytes_per_s),
     .help = "growth that each matching stack may have; heap.growth is not changed by it"},
    {.name = "reason",
     .type = KEY_TEXT,
     .flags = KEY_REQUIRED,
     AT(struct profile_allow, reason),
     .help = "why; shown in every report"},
    {.name = "expires",
     .type = KEY_CUSTOM,
     .ops = &key_date,
     AT(struct profile_allow, expires),
     .type_name = "YYYY-MM-DD",
     .help = "last day on which it is allowed"},
    END};
