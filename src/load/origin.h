// The addresses that a load may connect to: those its profile names, and no others. A redirect or an extracted URL that
// leads elsewhere is refused by looking here.
#ifndef SEEP_LOAD_ORIGIN_H
#define SEEP_LOAD_ORIGIN_H

#include "load/transport.h"

struct origin_table {
    struct exchange_origin **row; // n, each allocated for itself: pointers to them stay
    int n;
};

// Splits `url` (http or https, absolute, `${env:...}` replaced) and adds where it leads, with unix_path (NULL: TCP), to
// the table unless it is there. *target becomes its path and query (malloc'ed), *userinfo its "user:password" as
// written there, percent-decoded (malloc'ed, NULL: none). Either may be NULL when not wanted. -1 with a sentence when
// it is no such URL.
int origin_add(struct origin_table *t, const char *url, const char *unix_path, const struct exchange_origin **out,
               char **target, char **userinfo, struct seep_err *err);
// The same for the address of a raw connection: "HOST:PORT", "[IPV6]:PORT" or "unix:/path".
int origin_add_raw(struct origin_table *t, const char *address, const struct exchange_origin **out,
                   struct seep_err *err);
void origin_free(struct origin_table *t);

enum origin_found { ORIGIN_FOUND, ORIGIN_ELSEWHERE, ORIGIN_NO_URL };

// Where `reference` (absolute, or relative to `base` and `base_target`) leads: one of the table's, with the target
// written to `target`, which is bounded and cleared first. Allocates: not for every exchange.
enum origin_found origin_resolve(const struct origin_table *t, const struct exchange_origin *base,
                                 const char *base_target, const char *reference, const struct exchange_origin **out,
                                 char *target, size_t size);

#endif
