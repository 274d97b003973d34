// What the shutdown check looks at besides the exit itself: who listens where before the signal, and what is left after
// it. Facts only; the report judges them by the profile.
#ifndef SEEP_RUN_SHUTDOWN_H
#define SEEP_RUN_SHUTDOWN_H

#include "linux/net.h"
#include "linux/tree.h"
#include "store/store.h"

#define SHUTDOWN_LISTENERS 64

struct run_shutdown {
    bool looked; // before the signal
    struct linux_listener listeners[SHUTDOWN_LISTENERS];
    size_t n_listeners;
    bool sent;
    int signal;
    struct seep_time sent_at;
    bool rest;      // the main process had ended before the signal: it is the rest of the tree that is stopped
    double after_s; // from the signal to the end of the main process, or of that rest; NAN: never by itself
    bool killed;
    int children_left; // descendants alive when the main process ended; -1 not looked
    char children_names[400];
    char skipped[200]; // why there was no check; "" otherwise
};

// Before the signal: remembers what the tree listens on.
void shutdown_look_before(struct run_shutdown *sd, int proc_fd, const struct linux_tree *tree);
// When the main process has ended: who of the tree still lives.
void shutdown_look_children(struct run_shutdown *sd, int proc_fd, pid_t root, pid_t main_pid);
// After the tree is gone: writes all facts as meta. Ports get up to a second to become free.
int shutdown_write(struct run_shutdown *sd, int proc_fd, struct store *st, struct seep_err *err);

#endif
