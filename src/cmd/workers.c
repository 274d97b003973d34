// The hidden verbs: processes of seep's own that it starts from itself. Each has one descriptor and no options.
#include "cmd/command.h"
#include "fault/proxy.h"
#include "load/worker.h"
#include "resolve/resolve.h"
#include "scan/scan.h"

#include <stdlib.h>

#define WORKER_FD 3

static int resolver(int argc, char **argv, void *opts)
{
    (void)argc, (void)argv, (void)opts;
    return resolve_main(WORKER_FD);
}

static int load_worker(int argc, char **argv, void *opts)
{
    (void)argc, (void)argv, (void)opts;
    return load_worker_main(WORKER_FD);
}

const struct cmd_command cmd_resolver = {.name = "resolver",
                                         .summary = "names program counters for a supervisor",
                                         .run = resolver,
                                         .hidden = true,
                                         .raw = true};

const struct cmd_command cmd_load_worker = {
    .name = "load-worker", .summary = "drives load for a supervisor", .run = load_worker, .hidden = true, .raw = true};

static int scan_worker(int argc, char **argv, void *opts)
{
    (void)argc, (void)argv, (void)opts;
    return scan_worker_main(WORKER_FD);
}

const struct cmd_command cmd_scan_worker = {.name = "scan-worker",
                                            .summary = "looks for unreachable blocks for a supervisor",
                                            .run = scan_worker,
                                            .hidden = true,
                                            .raw = true};

// argv: whom to follow, by pid and start time.
static int proxy_worker(int argc, char **argv, void *opts)
{
    (void)opts;
    long pid = argc == 2 ? strtol(argv[0], NULL, 10) : 0;
    return pid > 0 ? fault_proxy_main((pid_t)pid, strtoull(argv[1], NULL, 10)) : CMD_USAGE;
}

const struct cmd_command cmd_proxy_worker = {.name = "proxy-worker",
                                             .summary = "carries connections for a supervisor, and disturbs them",
                                             .run = proxy_worker,
                                             .hidden = true,
                                             .raw = true};
