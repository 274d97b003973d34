// What deps.c (life) and deps_sample.c (figures) know of dependencies.
#ifndef SEEP_RUN_DEPS_PRIV_H
#define SEEP_RUN_DEPS_PRIV_H

#include "fault/proxy.h"
#include "linux/tree.h"
#include "run/state.h"

struct dep {
    struct run *run;
    const struct profile_dependency *want;
    int dir_fd;
    struct keeper_link link;
    bool linked, polling, up, gone, expected;
    uv_poll_t poll;
    struct keeper_exit_record exit;
    char **envp, **argv; // expanded
    char *exec_path;
    int32_t pid;
    double cpu_last_s, cpu_lost_s; // of the sample job: deps_sample.c
};

struct run_deps {
    struct dep *dep;
    int n;
    struct fault_proxies proxies;
    struct linux_tree *tree; // of the sample job; NULL: not needed yet
    uv_work_t work;
    struct run_ready ready;
    bool busy;
    char why[600];
    void (*done)(struct run *r, const char *why);
};

#endif
