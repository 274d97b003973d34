// The kinds of transport: see transport.h.
#include "load/transport.h"

#include <string.h>

const struct transport_ops *const transport_kinds[] = {&transport_net, &transport_h2, &transport_curl, NULL};

const struct transport_ops *transport_for(const struct exchange_spec *spec, const struct transport_setup *setup)
{
    for (const struct transport_ops *const *kind = transport_kinds; *kind; kind++) {
        if (setup->only && strcmp((*kind)->name, setup->only) != 0)
            continue;
        if ((*kind)->takes(spec, setup))
            return *kind;
    }
    return NULL;
}
