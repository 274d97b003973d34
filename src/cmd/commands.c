// The table of commands, in the order help shows them. Each is defined in the file of its name beside this one.
#include "cmd/command.h"

extern const struct cmd_command cmd_profiles, cmd_help, cmd_man, cmd_completion;

const struct cmd_command *const cmd_commands[] = {
    &cmd_profiles,
    &cmd_help,
    // Hidden: helper processes and generators.
    &cmd_man,
    &cmd_completion,
    NULL,
};
