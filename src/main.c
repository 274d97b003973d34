// seep: dispatch over the table of commands, nothing else.
#include "base/fs.h"
#include "cmd/command.h"

#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
    // Running a profile is running its commands: that must never happen with more rights than the caller has.
    if (getauxval(AT_SECURE)) {
        fputs("seep: this program must not be installed setuid, setgid or with capabilities\n", stderr);
        return CMD_ERROR;
    }
    fs_keep_owner_bits();
    if (argc < 2) {
        cmd_print_overview(stderr);
        return CMD_USAGE;
    }
    if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V")) {
        puts("seep " SEEP_VERSION);
        return CMD_PASS;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        cmd_print_overview(stdout);
        return CMD_PASS;
    }
    const struct cmd_command *c = cmd_find(argv[1]);
    return c ? cmd_dispatch(c, argc - 1, argv + 1) : cmd_unknown(argv[1]);
}
