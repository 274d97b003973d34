// The kinds of transport: see transport.h.
#include "load/transport.h"

#include <errno.h>
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

bool transport_is_local(int error)
{
    return error == EADDRNOTAVAIL || error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

enum exchange_end transport_connect_end(int error)
{
    return transport_is_local(error) ? EXCHANGE_LOCAL : error == ECONNREFUSED ? EXCHANGE_REFUSED : EXCHANGE_CONNECT;
}

bool transport_is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (strcmp(method, methods[i]) == 0)
            return true;
    }
    return false;
}
