// What `seep doctor` finds out: facts, each with a word, and where it is not "ok" a sentence with the way out. doctor.c
// has the command and the printing, doctor_machine.c what the machine is, doctor_rights.c what we may do on it,
// doctor_parts.c what is installed, doctor_proof.c the planted leak.
#ifndef SEEP_CMD_DOCTOR_H
#define SEEP_CMD_DOCTOR_H

#include "cmd/command.h"

enum doctor_state { DOCTOR_OK, DOCTOR_LIMITED, DOCTOR_MISSING };

struct doctor_fact {
    const char *name;
    enum doctor_state state;
    bool needed;       // MISSING here means that seep cannot do its main job
    char text[400];    // what was found
    char way_out[400]; // a sentence; "" when ok
};

struct doctor {
    struct doctor_fact facts[32];
    size_t n;
    bool as_text;    // print each fact as it is found
    int interrupted; // the signal that ended the planted runs, 0 none
    const char *results_dir;
};

// Adds a fact and prints it when as_text is set. way_out may be NULL when state is DOCTOR_OK.
void doctor_add(struct doctor *d, const char *name, enum doctor_state state, bool needed, const char *way_out,
                const char *fmt, ...) __attribute__((format(printf, 6, 7)));

void doctor_machine(struct doctor *d); // kernel, processors, memory, clock, huge pages
void doctor_rights(struct doctor *d);  // control groups, pidfd, memfd, other processes' memory, descriptors
void doctor_parts(struct doctor *d);   // seep's own parts, allocator, valgrind, names of code
void doctor_results(struct doctor *d); // the results directory and its disk

// Runs seep twice on a target of its own, with a planted leak and without, both at once (about 15 s), and adds what
// came of it. Leaves nothing behind. The leak is in a function called DOCTOR_PLANTED.
void doctor_prove(struct doctor *d);

#define DOCTOR_PLANTED "doctor_planted_leak"

#endif
