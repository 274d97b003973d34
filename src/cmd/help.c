// `--help` and the overview, made from the tables of commands and options; and `seep help`. Nothing is said here that a
// table says: a new command or option appears by itself.
#include "base/near.h"
#include "cmd/command.h"
#include "profile/profile.h"

#include <ctype.h>
#include <string.h>

enum { TEXT_COLUMN = 30, TEXT_WIDTH = 100 };

// Each exit status with its meaning, for help and manual.
const struct cmd_exit_info cmd_exits[] = {
    {"0", "PASS"},
    {"1", "FAIL: a gate failed, or a comparison found a regression"},
    {"2", "the command line or a profile is wrong; nothing was started"},
    {"3", "INCONCLUSIVE: not enough or not trustworthy evidence"},
    {"4", "the target failed: did not start, never got ready, crashed, was killed, or left early"},
    {"5", "only the shutdown gate failed"},
    {"6", "seep itself failed, for instance because the results directory cannot be used"},
    {"130, 143", "interrupted; what was measured is kept and judged"},
    {NULL, NULL},
};

// Words of `text` from column `indent` on, broken before `width`.
static void print_wrapped(FILE *out, const char *text, int indent, int width)
{
    int column = indent;
    for (const char *p = text; *p;) {
        p += strspn(p, " ");
        int len = (int)strcspn(p, " ");
        if (len == 0)
            break;
        if (column > indent && column + 1 + len > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        }
        column += fprintf(out, "%s%.*s", column > indent ? " " : "", len, p);
        p += len;
    }
    fputc('\n', out);
}

static void option_head(char *text, size_t size, const struct cmd_option *o)
{
    char letter[8] = "    ";
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(text, size, "  %s--%s%s%s", letter, o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
}

static void print_option(FILE *out, const struct cmd_option *o)
{
    char head[160];
    option_head(head, sizeof head, o);
    int len = fprintf(out, "%s", head);
    if (len + 2 > TEXT_COLUMN)
        fprintf(out, "\n%*s", TEXT_COLUMN, "");
    else
        fprintf(out, "%*s", TEXT_COLUMN - len, "");
    char help[600];
    snprintf(help, sizeof help, "%s%s%s%s", o->help, o->choices ? ": " : "", o->choices ? o->choices : "",
             o->type == CMD_LIST && !strstr(o->help, "repeatable") ? " (repeatable)" : "");
    print_wrapped(out, help, TEXT_COLUMN, TEXT_WIDTH);
}

const struct cmd_option cmd_help_option = {
    .name = "help", .letter = 'h', .type = CMD_FLAG, .help = "print this help and exit"};

void cmd_print_help(FILE *out, const struct cmd_command *c)
{
    fprintf(out, "Usage: seep %s [OPTION]...%s%s\n\n%c%s.\n", c->name, *c->usage ? " " : "", c->usage,
            toupper((unsigned char)c->summary[0]), c->summary + 1);
    for (size_t i = 0; c->description && c->description[i]; i++) {
        fputc('\n', out);
        print_wrapped(out, c->description[i], 0, TEXT_WIDTH);
    }
    fputs("\nOptions:\n", out);
    for (const struct cmd_option *o = c->options; o && o->name; o++)
        if (!o->hidden)
            print_option(out, o);
    print_option(out, &cmd_help_option);
    if (c->examples)
        fputs("\nExamples:\n", out);
    for (const struct cmd_example *e = c->examples; e && e->line; e++)
        fprintf(out, "  %s\n      %s\n", e->line, e->about);
}

void cmd_print_overview(FILE *out)
{
    fputs(
        "Usage: seep COMMAND [OPTION]... [ARG]...\n\n"
        "Soaks a native Linux program and says, with evidence, whether it stays stable: PASS, FAIL or INCONCLUSIVE.\n\n"
        "Commands:\n",
        out);
    for (size_t i = 0; cmd_commands[i]; i++)
        if (!cmd_commands[i]->hidden)
            fprintf(out, "  %-12s %s\n", cmd_commands[i]->name, cmd_commands[i]->summary);
    fputs("\nExit status:\n", out);
    for (size_t i = 0; cmd_exits[i].status; i++)
        fprintf(out, "  %-9s %s\n", cmd_exits[i].status, cmd_exits[i].meaning);
    fputs("\n'seep COMMAND --help' says more about a command; 'seep --version' prints the version.\n", out);
}

static int run_help(int argc, char **argv, void *opts)
{
    (void)opts;
    if (argc == 0) {
        cmd_print_overview(stdout);
        return CMD_PASS;
    }
    const struct cmd_command *c = cmd_find(argv[0]);
    if (!c || c->hidden)
        return cmd_unknown(argv[0]);
    cmd_print_help(stdout, c);
    return CMD_PASS;
}

const struct cmd_command cmd_help = {
    .name = "help",
    .summary = "say what a command does and which options it has",
    .usage = "[COMMAND]",
    .run = run_help,
};
