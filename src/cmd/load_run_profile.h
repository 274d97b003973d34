// What `seep run` and `seep attach` share: the options that make a profile, and the start of a run with it.
#ifndef SEEP_CMD_LOAD_RUN_PROFILE_H
#define SEEP_CMD_LOAD_RUN_PROFILE_H

#include "cmd/command.h"
#include "profile/profile.h"
#include "run/run.h"

struct cmd_run_profile {
    struct cmd_list profiles, overrides;
    double duration_s, interval_s;
};

// The rows of a command's option table; member is a struct cmd_run_profile.
#define CMD_RUN_PROFILE_OPTIONS(opts, member)                                                                          \
    {.name = "profile",                                                                                                \
     .letter = 'p',                                                                                                    \
     .arg = "PROFILE",                                                                                                 \
     .type = CMD_LIST,                                                                                                 \
     .offset = offsetof(opts, member.profiles),                                                                        \
     .help = "a shipped profile or a file; may be given several times, later ones win key by key"},                    \
        {.name = "override",                                                                                           \
         .letter = 'o',                                                                                                \
         .arg = "KEY=VALUE",                                                                                           \
         .type = CMD_LIST,                                                                                             \
         .offset = offsetof(opts, member.overrides),                                                                   \
         .help = "override a key of the profile, e.g. -o run.duration=5m (repeatable)"},                               \
        {.name = "duration",                                                                                           \
         .letter = 'd',                                                                                                \
         .arg = "TIME",                                                                                                \
         .type = CMD_DURATION,                                                                                         \
         .offset = offsetof(opts, member.duration_s),                                                                  \
         .help = "how long to measure, e.g. 10m (short for -o run.duration=10m)"},                                     \
    {                                                                                                                  \
        .name = "interval", .arg = "TIME", .type = CMD_DURATION, .offset = offsetof(opts, member.interval_s),          \
        .help = "time between samples (default: duration/288, between 250ms and 5m)"                                   \
    }

// Loads and merges the profiles; argv[argc]: the target's command, 0: the profile's.
int cmd_load_run_profile(const struct cmd_run_profile *o, const char *const *argv, int argc, struct profile **out,
                         struct seep_err *err);

// Runs, says where the report is, and returns the exit status. out (may be NULL) is filled when a run took place.
int cmd_start_run(const struct run_options *options, struct run_result *out);

#endif
