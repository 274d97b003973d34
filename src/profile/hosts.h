// Where a load connects to: the hosts in its urls and addresses. Pure but for profile_load_hosts(), which reads the
// environment. They are fixed for a run: a load reaches no host that its profile does not name.
#ifndef SEEP_PROFILE_HOSTS_H
#define SEEP_PROFILE_HOSTS_H

#include "profile/profile.h"
#include <stdbool.h>
#include <stddef.h>

// Taken apart without a copy; the pointers lead into the text.
struct profile_host {
    bool known;       // false: an ${env:...} decides it, see profile_load_hosts(); nothing below is set but `target`
    bool tls;         // https://
    const char *name; // without the brackets of an IPv6 address; of a unix socket its path
    size_t name_len;
    int port;           // 0: a unix socket
    const char *target; // what follows in a url: a path, a query, or nothing; NULL when unknown
};

// Of "http://[user@]host[:port][/...]". -1 with a sentence when it is none, or when a run-time reference other than
// ${env:...} stands in the part before the path.
int profile_url_host(const char *url, struct profile_host *out, struct seep_err *err);

// Of "HOST:PORT", "[IPV6]:PORT" or "unix:/path".
int profile_address_host(const char *address, struct profile_host *out, struct seep_err *err);

// All hosts the loads of a profile connect to, environment put in: "name:port" in lower case or "unix:/path", sorted,
// each once. *out is malloc'ed as its texts are; profile_hosts_free() gives them back. -1 when a variable is not set.
int profile_load_hosts(const struct profile *p, char ***out, int *n, struct seep_err *err);
void profile_hosts_free(char **hosts, int n);

#endif
