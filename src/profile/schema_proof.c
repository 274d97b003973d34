// Keys of the section `confirm`: how a run is replayed under valgrind. See schema.h.
#include "profile/schema_rows.h"

#define CONFIRM struct profile_confirm

const struct schema_key schema_confirm[] = {
    {.name = "for",
     .type = KEY_NUMBER,
     .unit = UNIT_SECONDS,
     .flags = KEY_POSITIVE | KEY_AUTO,
     .max = 86400,
     .def = "auto",
     AT(CONFIRM, for_s),
     .help = "time under load; auto: a tenth of the run's, between 20s and 2m"},
    {.name = "scale",
     .type = KEY_NUMBER,
     .flags = KEY_POSITIVE | KEY_AUTO,
     .min = 1,
     .max = 10000,
     .def = "auto",
     AT(CONFIRM, scale),
     .help =
         "what valgrind is taken to be slower by: rates and users of the load are divided by it, times of readiness "
         "and shutdown multiplied; auto: 20"},
    {.name = "suppressions",
     .type = KEY_TEXTS,
     AT(CONFIRM, suppressions),
     COUNT(CONFIRM, n_suppressions),
     .help = "files of suppressions for memcheck"},
    {.name = "args",
     .type = KEY_TEXTS,
     AT(CONFIRM, args),
     COUNT(CONFIRM, n_args),
     .help = "further options of valgrind, such as --trace-children-skip=*/sh"},
    {.name = "memory",
     .type = KEY_NUMBER,
     .unit = UNIT_BYTES,
     .flags = KEY_POSITIVE,
     .def = "4GiB",
     AT(CONFIRM, memory_bytes),
     .help = "more resident memory under valgrind ends it"},
    {.name = "within",
     .type = KEY_NUMBER,
     .unit = UNIT_SECONDS,
     .flags = KEY_POSITIVE | KEY_AUTO,
     .def = "auto",
     AT(CONFIRM, within_s),
     .help = "a longer pass is ended; auto: five times the time under load, and 5m"},
    END};
