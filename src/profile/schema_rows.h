// Inside profile/: how the rows of the table of keys are written. See schema.h.
//
// The table is one, in a file for each of its larger sections: schema.c (the top level, target, run, attribution,
// shutdown), schema_gates.c (gates, requirements, allowed stacks), schema_load.c (the load)
// and schema_faults.c (faults, dependencies, proxies, probes, scraped endpoints).
#ifndef SEEP_PROFILE_SCHEMA_ROWS_H
#define SEEP_PROFILE_SCHEMA_ROWS_H

#include "profile/schema.h"

#include <stddef.h>

#define AT(type, field)    .offset = offsetof(type, field)
#define COUNT(type, field) .count = offsetof(type, field)
#define WHERE(type, field) .where = offsetof(type, field) + 1
#define NAMED(type)        .item_name = offsetof(type, name)
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

// A list of steps.
#define STEPS_ROW(owner, field, n_field)                                                                               \
    .type = KEY_CUSTOM, .ops = &key_steps, .sub = schema_step, .item_size = sizeof(struct profile_step),               \
    AT(owner, field), COUNT(owner, n_field), .type_name = "list of steps, or {one_of: steps}"

#endif
