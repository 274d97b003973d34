// Who listens where: is a port in use before the start, released after the stop, and which ports and socket files does
// the target own.
//
// Trust: /proc/PID/net/* is the kernel's text of the network namespace of that process.
#ifndef SEEP_LINUX_NET_H
#define SEEP_LINUX_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "linux/tree.h"

enum linux_net_kind { LINUX_NET_TCP, LINUX_NET_UDP, LINUX_NET_UNIX };

struct linux_listener {
    enum linux_net_kind kind;
    bool ipv6;
    uint16_t port; // 0 for unix sockets
    uint64_t inode;
    char address[108]; // "127.0.0.1", "::", or the path of a unix socket ("@name" when abstract)
};

// All listening TCP and bound UDP sockets, and listening unix sockets, in the network namespace of pid. At most max are
// stored; returns the number stored, -1 on errors; *beyond counts the others.
int linux_listeners(int proc_fd, pid_t pid, struct linux_listener *out, size_t max, size_t *beyond,
                    struct seep_err *err);

// Those of out that belong to a descriptor of some process of tree. Returns their number (moved to the front).
size_t linux_listeners_of(int proc_fd, const struct linux_tree *tree, struct linux_listener *out, size_t count);

// Does anybody listen on this TCP port in the namespace of pid? 1 yes, 0 no, -1 error.
int linux_port_in_use(int proc_fd, pid_t pid, uint16_t port, struct seep_err *err);

// True when path is a socket file that still exists (left behind after a stop).
bool linux_socket_file_left(const char *path);

// "127.0.0.1:8080/tcp", "unix:/run/x.sock" for reports.
void linux_listener_text(const struct linux_listener *l, char *text, size_t size);

#endif
