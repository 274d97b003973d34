// Ctrl-C and `kill`, for commands that start programs of others: they end what they started before they end themselves.
#ifndef SEEP_CMD_INTERRUPT_H
#define SEEP_CMD_INTERRUPT_H

// From now on SIGINT, SIGTERM and SIGHUP call `then`, which must be fit for a signal handler, and no longer end the
// process; those that are ignored (nohup) stay so.
void cmd_catch_signals(void (*then)(void));
// The exit status of whoever was sent one, 128 + its number; 0: none came.
int cmd_interrupted(void);

#endif
