// What a fault does to the target, a dependency or a proxy, and how that is taken back. faults.h says when.
//
// Whoever does it can undo it without us: a keeper continues, starts again and lifts limits, the proxy worker takes
// toxics out, as soon as this process is gone.
#ifndef SEEP_RUN_FAULT_EFFECT_H
#define SEEP_RUN_FAULT_EFFECT_H

#include "base/err.h"
#include "profile/profile.h"

struct run;

bool fault_effect_on_target(const char *name); // PROFILE_TARGET, not the name of a dependency
const char *fault_effect_whom(const struct profile_fault *f);
// Can this machine do it? Asked before anything runs; the control group is made by then.
int fault_effect_check(struct run *r, const struct profile_fault *f, struct seep_err *err);
// Does it, or takes it back. slot: of its toxic, one a fault. What ends a process is taken back by
// fault_effect_start_again() once fault_effect_gone().
int fault_effect_set(struct run *r, const struct profile_fault *f, unsigned slot, bool on, struct seep_err *err);
// How long whom a restart asks to end has for it; then it is to be killed.
double fault_effect_patience_s(const struct run *r, const struct profile_fault *f);
// Whether all processes of the target or dependency are gone, and whether its main one lives.
bool fault_effect_gone(struct run *r, const char *name);
bool fault_effect_up(struct run *r, const char *name);
int fault_effect_start_again(struct run *r, const char *name, struct seep_err *err);
// "redis was paused", for people.
void fault_effect_describe(const struct profile_fault *f, char *text, size_t size);

#endif
