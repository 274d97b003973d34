// What a program of the profile, target or dependency, is started with: an account's ids, words and environment.
//
// `${env:NAME}` is put in here, on the way to the process, and nowhere that is stored.
#ifndef SEEP_RUN_LAUNCH_H
#define SEEP_RUN_LAUNCH_H

#include "base/err.h"
#include "keeper/link.h"
#include "profile/profile.h"

// The ids of an account, put into a keeper's configuration, which borrows groups; NULL: the caller's. key: what in the
// profile names it. Fails when there is no such account or it may not be taken.
int launch_account(const char *name, const char *key, struct keeper_config *cfg, gid_t groups[KEEPER_GROUPS_MAX],
                   struct seep_err *err);
// The caller's environment with these changes, and the words of a command: *out ends with NULL and belongs to the
// caller, for launch_free(), also after a failure (a variable that is not set).
int launch_env(const struct profile_pair *env, int n_env, char ***out, struct seep_err *err);
int launch_argv(char *const *argv, int argc, char ***out, struct seep_err *err);
void launch_free(char **list);

#endif
