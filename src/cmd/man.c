// Manual pages and bash completion, made from the tables of commands, options, exit statuses and profile keys; and the
// hidden commands that print them at build time.
#include "cmd/command.h"
#include "profile/profile.h"

#include <ctype.h>
#include <string.h>

// Text into roff: a backslash, a leading dot or quote, every dash that is meant to be typed, and a place to break a
// line after each of several choices.
static void roff(FILE *out, const char *text)
{
    const char *from = text;
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else if (*text == '|' || (*text == '/' && text > from && isalnum((unsigned char)text[-1])))
            fprintf(out, "%c\\:", *text);
        else
            fputc(*text, out);
    }
}

static void roff_title(FILE *out, const char *name, const char *section)
{
    fputs(".TH ", out);
    for (const char *p = name; *p; p++)
        fputc(toupper((unsigned char)*p), out);
    fprintf(out, " %s \"\" \"seep %s\" \"seep manual\"\n.nh\n.ad l\n", section, SEEP_VERSION);
}

static void roff_option(FILE *out, const struct cmd_option *o)
{
    fputs(".TP\n\\fB", out);
    if (o->letter)
        fprintf(out, "\\-%c\\fR, \\fB", o->letter);
    fputs("\\-\\-", out);
    roff(out, o->name);
    fputs("\\fR", out);
    if (o->arg) {
        fputs("=\\fI", out);
        roff(out, o->arg);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    roff(out, o->help);
    if (o->choices) {
        fputs(": ", out);
        roff(out, o->choices);
    }
    fputs(".\n", out);
}

static void roff_exit_table(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; cmd_exits[i].status; i++) {
        fprintf(out, ".TP\n.B %s\n", cmd_exits[i].status);
        roff(out, cmd_exits[i].meaning);
        fputs(".\n", out);
    }
}

static void roff_command(FILE *out, const struct cmd_command *c)
{
    char title[80];
    snprintf(title, sizeof title, "seep-%s", c->name);
    roff_title(out, title, "1");
    fprintf(out, ".SH NAME\nseep\\-");
    roff(out, c->name);
    fputs(" \\- ", out);
    roff(out, c->summary);
    fputs("\n.SH SYNOPSIS\n\\fBseep ", out);
    roff(out, c->name);
    fputs("\\fR [\\fIOPTION\\fR]... ", out);
    roff(out, c->usage);
    fputs("\n.SH DESCRIPTION\n", out);
    for (size_t i = 0; c->description && c->description[i]; i++) {
        fputs(i ? ".PP\n" : "", out);
        roff(out, c->description[i]);
        fputc('\n', out);
    }
    fputs(".SH OPTIONS\n", out);
    for (const struct cmd_option *o = c->options; o && o->name; o++)
        if (!o->hidden)
            roff_option(out, o);
    roff_option(out, &cmd_help_option);
    roff_exit_table(out);
    if (c->examples)
        fputs(".SH EXAMPLES\n", out);
    for (const struct cmd_example *e = c->examples; e && e->line; e++) {
        fputs(".TP\n.B ", out);
        roff(out, e->line);
        fputc('\n', out);
        roff(out, e->about);
        fputs(".\n", out);
    }
    fputs(".SH SEE ALSO\n.BR seep (1),\n.BR seep\\-profile (5)\n", out);
}

static void roff_overview(FILE *out)
{
    roff_title(out, "seep", "1");
    fputs(".SH NAME\nseep \\- soak and memory\\-leak stability harness for native programs\n"
          ".SH SYNOPSIS\n\\fBseep\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR]... [\\fIARG\\fR]...\n"
          ".SH DESCRIPTION\nRuns a program for minutes or up to 24 hours while driving load, samples memory and every\n"
          "other resource that can leak, attributes heap growth to call stacks, fits growth rates with confidence\n"
          "intervals, checks that the program shuts down in order, and says PASS, FAIL or INCONCLUSIVE.\n"
          ".SH COMMANDS\n",
          out);
    for (size_t i = 0; cmd_commands[i]; i++) {
        if (cmd_commands[i]->hidden)
            continue;
        fputs(".TP\n\\fB", out);
        roff(out, cmd_commands[i]->name);
        fputs("\\fR\n", out);
        roff(out, cmd_commands[i]->summary);
        fputs(".\n", out);
    }
    roff_exit_table(out);
    fputs(".SH MARKING OPERATIONS\nA program tells growth for each of its operations when it marks them:\n"
          ".PP\n.RS 4\n.nf\n#include <seep_mark.h>\n\nSEEP_MARK(\"login\");             /* one was done */\n"
          "SEEP_MARK_N(\"row\", batch_size); /* that many */\n.fi\n.RE\n.PP\n"
          "The header is installed beside seep, in C and C++, and needs no library: the symbol is weak, and without "
          "seep\n"
          "a mark is a comparison. Reports then say \"48 B per login\", and \\fBheap.growth_per_request\\fR is per "
          "marked\n"
          "operation where there is no load. Up to 63 names of at most 47 bytes; statically linked programs mark "
          "nothing.\n",
          out);
    fputs(".SH ENVIRONMENT\n.TP\n.B SEEP_RESULTS\nWhere runs are kept when \\fB\\-\\-results\\fR is not given.\n"
          ".SH SEE ALSO\n.BR seep\\-run (1),\n.BR seep\\-profile (5)\n",
          out);
}

static void print_man(FILE *out, const struct cmd_command *c)
{
    if (c)
        roff_command(out, c);
    else
        roff_overview(out);
}

static void roff_key(const char *path, const char *type, const char *def, const char *help, void *ctx)
{
    FILE *out = ctx;
    fputs(".TP\n\\fB", out);
    roff(out, path);
    fputs("\\fR \\fI", out);
    roff(out, type);
    fputs("\\fR\n", out);
    roff(out, help);
    fputs(".\n", out);
    if (!strcmp(def, "required"))
        fputs("Required.\n", out);
    else if (*def) {
        fputs("Default: ", out);
        roff(out, def);
        fputs(".\n", out);
    }
}

static void print_man_profile(FILE *out)
{
    static const char *const paragraphs[] = {
        "A profile says what to run, how long, under which load, and what must hold. It is YAML without anchors, "
        "aliases, "
        "tags and merge keys, at most 256 KiB long and 16 levels deep; unknown and duplicate keys are errors.",
        "Several profiles are laid over each other in the order of their -p options: later ones win key by key, lists "
        "are "
        "replaced, null takes a value back to its default. -o KEY.PATH=VALUE comes last; the value is YAML, and a "
        "number "
        "in the path is the place in a list, counted from 0.",
        "Units are required where a quantity has one: B kB MB GB are powers of 1000, KiB MiB GiB of 1024; ms s m h d; "
        "%; "
        "/s /m /h. A single text is accepted where a list of one is meant.",
        "${name} in a value is replaced by vars.name. ${env:NAME} is read from the environment at use and never "
        "stored. "
        "$${ stands for the characters ${.",
    };
    roff_title(out, "seep-profile", "5");
    fputs(".SH NAME\nseep\\-profile \\- what a soak runs and what must hold\n.SH DESCRIPTION\n", out);
    for (size_t i = 0; i < sizeof paragraphs / sizeof *paragraphs; i++) {
        fputs(i ? ".PP\n" : "", out);
        roff(out, paragraphs[i]);
        fputc('\n', out);
    }
    fputs(".SH KEYS\n", out);
    profile_each_key(roff_key, out);
    fputs(".SH SEE ALSO\n.BR seep\\-run (1),\n.BR seep\\-profiles (1)\n", out);
}

static void completion_options(FILE *out, const struct cmd_command *c)
{
    fprintf(out, "    %s) words='", c->name);
    for (const struct cmd_option *o = c->options; o && o->name; o++)
        if (!o->hidden)
            fprintf(out, "--%s%s ", o->name, o->arg ? "=" : "");
    fputs("--help' ;;\n", out);
}

static void print_completion(FILE *out)
{
    fputs("# bash completion for seep, made from its option tables\n"
          "_seep() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words=''\n    COMPREPLY=()\n"
          "    if ((COMP_CWORD == 1)); then\n        words='",
          out);
    for (size_t i = 0; cmd_commands[i]; i++)
        if (!cmd_commands[i]->hidden)
            fprintf(out, "%s ", cmd_commands[i]->name);
    fputs("--help --version'\n    else\n    case ${COMP_WORDS[1]} in\n", out);
    for (size_t i = 0; cmd_commands[i]; i++)
        if (!cmd_commands[i]->hidden)
            completion_options(out, cmd_commands[i]);
    fputs("    esac\n    fi\n"
          "    if [[ $cur == -* || COMP_CWORD -eq 1 ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
          "        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n"
          "    else\n        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n    fi\n}\n"
          "complete -F _seep seep\n",
          out);
}

// seep man: the list of pages, or one of them.
static int run_man(int argc, char **argv, void *opts)
{
    (void)opts;
    if (argc == 0) {
        puts("seep.1\nseep-profile.5");
        for (size_t i = 0; cmd_commands[i]; i++)
            if (!cmd_commands[i]->hidden)
                printf("seep-%s.1\n", cmd_commands[i]->name);
        return CMD_PASS;
    }
    if (!strcmp(argv[0], "seep.1")) {
        print_man(stdout, NULL);
        return CMD_PASS;
    }
    if (!strcmp(argv[0], "seep-profile.5")) {
        print_man_profile(stdout);
        return CMD_PASS;
    }
    char name[64];
    if (sscanf(argv[0], "seep-%63[a-z-]", name) != 1 || !cmd_find(name))
        return cmd_usage_error("man", "there is no page '%s'; `seep man` lists them", argv[0]);
    print_man(stdout, cmd_find(name));
    return CMD_PASS;
}

static int run_completion(int argc, char **argv, void *opts)
{
    (void)argc, (void)argv, (void)opts;
    print_completion(stdout);
    return CMD_PASS;
}

const struct cmd_command cmd_man = {
    .name = "man",
    .summary = "print a manual page as roff, or the names of all",
    .usage = "[PAGE]",
    .run = run_man,
    .hidden = true,
};

const struct cmd_command cmd_completion = {
    .name = "completion",
    .summary = "print the completion for bash",
    .usage = "",
    .run = run_completion,
    .hidden = true,
};
