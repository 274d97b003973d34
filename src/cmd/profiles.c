// `seep profiles`: list what is shipped, show a merged profile, check one before a run does, print the reference of
// keys. Trust: profiles are files of unknown origin; profile/ refuses what it does not know.
#include "cmd/command.h"
#include "cmd/gates.h"
#include "profile/profile.h"

#include <stdlib.h>
#include <string.h>

struct profiles_opts {
    struct cmd_list overrides;
    bool keys;
};

static const struct cmd_option options[] = {
    {.name = "override",
     .letter = 'o',
     .arg = "KEY=VALUE",
     .type = CMD_LIST,
     .offset = offsetof(struct profiles_opts, overrides),
     .help = "override a key of the profile (repeatable)"},
    {.name = "keys",
     .type = CMD_FLAG,
     .offset = offsetof(struct profiles_opts, keys),
     .help = "print every key with its type, default and meaning"},
    {0},
};

static const char *const description[] = {
    "Lists the shipped profiles; shows the profile that results from one or more, merged in order, as a run would see "
    "it; or checks them, gates included, and says what is wrong with file, line and column.",
    "PROFILE is a shipped name such as pr-10m, or a path.",
    NULL,
};

static const struct cmd_example examples[] = {
    {"seep profiles", "list what is shipped"},
    {"seep profiles show nightly-24h ours.yaml", "the merged profile"},
    {"seep profiles check ours.yaml", "validate before a run does"},
    {0},
};

static int load(const struct profiles_opts *o, int n, char **names, struct profile **out, struct seep_err *err)
{
    char *dir = cmd_own_path("share/seep/profiles", err);
    if (!dir)
        return -1;
    struct profile_sources sources = {
        .names = (const char *const *)names,
        .n_names = n,
        .overrides = o->overrides.items,
        .n_overrides = o->overrides.n,
        .shipped_dir = dir,
        .keep_unknown_vars = true,
    };
    int rc = profile_load(&sources, out, err);
    free(dir);
    if (rc == 0 && cmd_check_gates(*out, err)) {
        profile_free(*out);
        *out = NULL;
        return -1;
    }
    return rc;
}

static int print_one(const char *name, const char *path, const char *about, void *ctx)
{
    (void)path, (void)ctx;
    printf("%-22s %s\n", name, about);
    return 0;
}

static int list(void)
{
    struct seep_err err;
    char *dir = cmd_own_path("share/seep/profiles", &err);
    int rc = dir ? profile_each_shipped(dir, print_one, NULL, &err) : -1;
    free(dir);
    return rc ? cmd_fail(&err) : CMD_PASS;
}

static int show(const struct profiles_opts *o, int n, char **names)
{
    struct seep_err err;
    struct profile *p;
    if (load(o, n, names, &p, &err))
        return cmd_fail(&err);
    char *text = profile_dump(p, true);
    profile_free(p);
    if (!text) {
        seep_fail(&err, SEEP_E_LIMIT, "The profile is too large to be shown");
        return cmd_fail(&err);
    }
    // A variable that waits for its value is written for reading back as "$${name}"; people are shown what they wrote.
    for (const char *c = text; *c; c++)
        if (strncmp(c, "$${", 3) != 0)
            putchar(*c);
    free(text);
    return CMD_PASS;
}

// Each alone: files that only make sense together are checked with `show`.
static int check(const struct profiles_opts *o, int n, char **names)
{
    int status = CMD_PASS;
    for (int i = 0; i < n; i++) {
        struct seep_err err;
        struct profile *p;
        if (load(o, 1, &names[i], &p, &err)) {
            status = cmd_fail(&err);
            continue;
        }
        printf("%s: valid, %d gates%s\n", names[i], p->n_gates, p->n_loads ? ", with load" : "");
        profile_free(p);
    }
    return status;
}

static void print_key(const char *path, const char *type, const char *def, const char *help, void *ctx)
{
    (void)ctx;
    bool required = !strcmp(def, "required");
    printf("%s  (%s%s%s)\n    %s\n", path, type,
           required ? ", required"
           : *def   ? ", default "
                    : "",
           required ? "" : def, help);
}

static int run(int argc, char **argv, void *opts)
{
    const struct profiles_opts *o = opts;
    if (o->keys) {
        profile_each_key(print_key, NULL);
        return CMD_PASS;
    }
    if (argc == 0 || (argc == 1 && !strcmp(argv[0], "list")))
        return list();
    bool wants_show = !strcmp(argv[0], "show"), wants_check = !strcmp(argv[0], "check");
    if (!wants_show && !wants_check)
        return cmd_usage_error("profiles", "'%.60s' is not one of list, show, check", argv[0]);
    if (argc == 1)
        return cmd_usage_error("profiles", "%s wants the name or the path of a profile", argv[0]);
    return wants_show ? show(o, argc - 1, argv + 1) : check(o, argc - 1, argv + 1);
}

const struct cmd_command cmd_profiles = {
    .name = "profiles",
    .summary = "list, show or check profiles",
    .usage = "[list | show PROFILE... | check PROFILE...]",
    .description = description,
    .options = options,
    .examples = examples,
    .opts_size = sizeof(struct profiles_opts),
    .run = run,
};
