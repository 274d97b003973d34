// The table of commands, in the order help shows them. Each is defined in the file of its name beside this one.
#include "cmd/command.h"

extern const struct cmd_command cmd_run, cmd_attach, cmd_status, cmd_wait, cmd_stop, cmd_resume, cmd_finish;
extern const struct cmd_command cmd_report, cmd_stacks, cmd_compare, cmd_runs, cmd_signoff, cmd_baseline, cmd_dossier,
    cmd_confirm;
extern const struct cmd_command cmd_analyze, cmd_load, cmd_profiles, cmd_doctor, cmd_help, cmd_man, cmd_completion;
extern const struct cmd_command cmd_resolver, cmd_load_worker, cmd_scan_worker, cmd_proxy_worker, cmd_doctor_leak;

const struct cmd_command *const cmd_commands[] = {
    &cmd_run,
    &cmd_attach,
    &cmd_status,
    &cmd_wait,
    &cmd_stop,
    &cmd_resume,
    &cmd_finish,
    &cmd_report,
    &cmd_stacks,
    &cmd_compare,
    &cmd_dossier,
    &cmd_confirm,
    &cmd_baseline,
    &cmd_signoff,
    &cmd_analyze,
    &cmd_load,
    &cmd_runs,
    &cmd_profiles,
    &cmd_doctor,
    &cmd_help,
    // Hidden: helper processes and generators.
    &cmd_resolver,
    &cmd_load_worker,
    &cmd_scan_worker,
    &cmd_proxy_worker,
    &cmd_doctor_leak,
    &cmd_man,
    &cmd_completion,
    NULL,
};
