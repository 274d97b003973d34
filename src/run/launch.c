// What a program of the profile is started with: see launch.h.
#include "run/launch.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int launch_account(const char *name, const char *key, struct keeper_config *cfg, gid_t groups[KEEPER_GROUPS_MAX],
                   struct seep_err *err)
{
    if (!name)
        return 0;
    struct passwd *pw = getpwnam(name);
    if (!pw)
        return seep_fail(err, SEEP_E_USAGE, "There is no user '%.100s' (%s)", name, key);
    if (pw->pw_uid == geteuid())
        return 0;
    if (geteuid() != 0)
        return seep_fail(err, SEEP_E_USAGE, "Only root can run a program as '%.100s' (%s)", name, key);
    cfg->set_ids = true;
    cfg->uid = pw->pw_uid;
    cfg->gid = pw->pw_gid;
    int n = KEEPER_GROUPS_MAX;
    if (getgrouplist(name, pw->pw_gid, groups, &n) < 0)
        n = 1, groups[0] = pw->pw_gid;
    cfg->groups = groups;
    cfg->group_count = (size_t)n;
    return 0;
}

static const char *key_end(const char *pair)
{
    const char *eq = strchr(pair, '=');
    return eq ? eq : pair + strlen(pair);
}

static bool overridden(const struct profile_pair *env, int n_env, const char *pair)
{
    size_t len = (size_t)(key_end(pair) - pair);
    for (int i = 0; i < n_env; i++)
        if (strlen(env[i].key) == len && !strncmp(env[i].key, pair, len))
            return true;
    return false;
}

int launch_env(const struct profile_pair *env, int n_env, char ***out, struct seep_err *err)
{
    size_t n = 0, o = 0;
    while (environ[n])
        n++;
    char **list = *out = calloc(n + (size_t)n_env + 1, sizeof *list);
    if (!list)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for an environment");
    for (size_t i = 0; i < n; i++)
        if (!overridden(env, n_env, environ[i]))
            list[o++] = strdup(environ[i]);
    for (int i = 0; i < n_env; i++) {
        if (!env[i].value)
            continue;
        char *value = profile_expand_env(env[i].value, err), *pair = NULL;
        if (!value || asprintf(&pair, "%s=%s", env[i].key, value) < 0) {
            free(value);
            return -1;
        }
        free(value);
        list[o++] = pair;
    }
    return 0;
}

int launch_argv(char *const *argv, int argc, char ***out, struct seep_err *err)
{
    char **list = *out = calloc((size_t)argc + 1, sizeof *list);
    if (!list)
        return seep_fail(err, SEEP_E_SYSTEM, "There is no memory for a command line");
    for (int i = 0; i < argc; i++)
        if (!(list[i] = profile_expand_env(argv[i], err)))
            return -1;
    return 0;
}

void launch_free(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}
