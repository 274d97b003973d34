// What faults do and how it is undone: see fault_effect.h.
#include "run/fault_effect.h"
#include "base/units.h"
#include "fault/proxy.h"
#include "run/deps.h"
#include "run/state.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

bool fault_effect_on_target(const char *name)
{
    return !strcmp(name, PROFILE_TARGET);
}

const char *fault_effect_whom(const struct profile_fault *f)
{
    return f->pause ? f->pause : f->kill ? f->kill : f->restart ? f->restart : PROFILE_TARGET;
}

// ---- what a fault does

static int signal_whom(struct run *r, const char *name, int sig, unsigned flags, struct seep_err *err)
{
    if (!fault_effect_on_target(name))
        return run_deps_signal(r, name, sig, flags, err);
    bool asked = sig != SIGSTOP && sig != SIGCONT && sig != SIGKILL;
    bool tree = !asked || r->profile->target.life == LIFE_TREE;
    return keeper_signal(&r->link, sig, tree ? KEEPER_WHOM_ALL : KEEPER_WHOM_MAIN, flags, err);
}

static int knob_of(struct run *r, const struct profile_fault *f, struct linux_cgroup_knob *knob, struct seep_err *err)
{
    const struct profile_target *t = &r->profile->target;
    struct linux_cgroup_knob own; // what the target has when there is no fault
    bool cpu = f->kind == FAULT_CPU;
    if (cpu ? linux_cgroup_cpu_knob(&r->cgroup, f->cpu, knob, err)
            : linux_cgroup_memory_knob(&r->cgroup, f->memory_bytes, knob, err))
        return -1;
    if (cpu ? t->cpu > 0 && linux_cgroup_cpu_knob(&r->cgroup, t->cpu, &own, err) == 0
            : t->memory_bytes > 0 && linux_cgroup_memory_knob(&r->cgroup, t->memory_bytes, &own, err) == 0)
        memcpy(knob->undo, own.value, sizeof knob->undo);
    return 0;
}

static int set_knob(struct run *r, const struct profile_fault *f, bool on, struct seep_err *err)
{
    struct linux_cgroup_knob knob;
    if (knob_of(r, f, &knob, err))
        return -1;
    return keeper_knob(&r->link, knob.file, on ? knob.value : knob.undo, on ? knob.undo : "", err);
}

static int set_toxic(struct run *r, const struct profile_fault *f, unsigned slot, bool on, struct seep_err *err)
{
    struct fault_toxic toxic = on ? fault_toxic_of(f) : (struct fault_toxic){.kind = TOXIC_NONE};
    struct fault_proxies *p = run_deps_proxies(r);
    if (!p)
        return seep_fail(err, SEEP_E_SYSTEM, "The process of the proxies is gone");
    return fault_proxy_toxic(p, f->proxy, slot, &toxic, err);
}

int fault_effect_set(struct run *r, const struct profile_fault *f, unsigned slot, bool on, struct seep_err *err)
{
    switch (f->kind) {
    case FAULT_PAUSE:
        return signal_whom(r, f->pause, on ? SIGSTOP : SIGCONT, 0, err);
    case FAULT_MEMORY:
    case FAULT_CPU:
        return set_knob(r, f, on, err);
    case FAULT_TOXIC:
        return set_toxic(r, f, slot, on, err);
    case FAULT_KILL:
        return on ? signal_whom(r, f->kill, SIGKILL, KEEPER_SIGNAL_AGAIN, err) : 0;
    case FAULT_RESTART:
        if (!on)
            return 0;
        return fault_effect_on_target(f->restart)
                   ? signal_whom(r, f->restart, r->profile->shutdown.signal, KEEPER_SIGNAL_AGAIN, err)
                   : run_deps_ask_to_end(r, f->restart, KEEPER_SIGNAL_AGAIN, err);
    }
    return 0;
}

double fault_effect_patience_s(const struct run *r, const struct profile_fault *f)
{
    return fault_effect_on_target(f->restart) ? r->profile->shutdown.within_s : run_deps_stop_within_s(r, f->restart);
}

bool fault_effect_gone(struct run *r, const char *name)
{
    return fault_effect_on_target(name) ? r->tree_empty : run_deps_gone(r, name);
}

bool fault_effect_up(struct run *r, const char *name)
{
    return fault_effect_on_target(name) ? r->target_alive : run_deps_up(r, name);
}

int fault_effect_start_again(struct run *r, const char *name, struct seep_err *err)
{
    return fault_effect_on_target(name) ? keeper_begin(&r->link, err) : run_deps_start(r, name, err);
}

// "latency of 200 ms +- 50 ms on half of the connections through redis"
static void describe_toxic(const struct profile_fault *f, char *text, size_t size)
{
    char a[40] = "", b[40] = "", what[100] = "", share[48] = "connections";
    if (f->toxicity < 1)
        snprintf(share, sizeof share, "%.3g %% of the connections", f->toxicity * 100);
    switch (f->toxic) {
    case TOXIC_LATENCY:
        units_value(a, sizeof a, f->latency_s, UNIT_SECONDS);
        units_value(b, sizeof b, f->jitter_s, UNIT_SECONDS);
        snprintf(what, sizeof what, "%s later%s%s", a, f->jitter_s > 0 ? ", +- " : "", f->jitter_s > 0 ? b : "");
        break;
    case TOXIC_BANDWIDTH:
        units_value(a, sizeof a, f->rate_bytes_per_s, UNIT_BYTES);
        snprintf(what, sizeof what, "limited to %s/s each", a);
        break;
    case TOXIC_SLOW_CLOSE:
        units_value(a, sizeof a, f->delay_s, UNIT_SECONDS);
        snprintf(what, sizeof what, "closed %s later", a);
        break;
    case TOXIC_TIMEOUT:
        units_value(a, sizeof a, f->timeout_s, UNIT_SECONDS);
        snprintf(what, sizeof what, "silent, closed after %s", f->timeout_s > 0 ? a : "the fault");
        break;
    case TOXIC_RESET_PEER:
        units_value(a, sizeof a, f->timeout_s, UNIT_SECONDS);
        snprintf(what, sizeof what, "reset after %s", a);
        break;
    case TOXIC_SLICER:
        snprintf(what, sizeof what, "cut into slices of %d B", f->average_size);
        break;
    case TOXIC_LIMIT_DATA:
        units_value(a, sizeof a, f->bytes, UNIT_BYTES);
        snprintf(what, sizeof what, "closed after %s", a);
        break;
    case TOXIC_DOWN:
        snprintf(text, size, "the proxy %.60s accepted nothing", f->proxy);
        return;
    case TOXIC_NONE:
        break;
    }
    snprintf(text, size, "%s through the proxy %.60s were %s%s", share, f->proxy, what,
             f->upstream ? ", on the way to the server" : "");
}

void fault_effect_describe(const struct profile_fault *f, char *text, size_t size)
{
    char a[40];
    switch (f->kind) {
    case FAULT_PAUSE:
        snprintf(text, size, "%.60s was paused", f->pause);
        break;
    case FAULT_KILL:
        snprintf(text, size, "%.60s was killed", f->kill);
        break;
    case FAULT_RESTART:
        snprintf(text, size, "%.60s was restarted", f->restart);
        break;
    case FAULT_MEMORY:
        units_value(a, sizeof a, f->memory_bytes, UNIT_BYTES);
        snprintf(text, size, "the target's memory was limited to %s", a);
        break;
    case FAULT_CPU:
        snprintf(text, size, "the target's CPU time was limited to %g cores", f->cpu);
        break;
    case FAULT_TOXIC:
        describe_toxic(f, text, size);
        break;
    }
}

int fault_effect_check(struct run *r, const struct profile_fault *f, struct seep_err *err)
{
    struct linux_cgroup_knob knob;
    struct seep_err why = {0};
    bool target = f->kind != FAULT_TOXIC && fault_effect_on_target(fault_effect_whom(f));
    if (r->attached && target)
        return seep_fail(err, SEEP_E_USAGE,
                         "The fault '%s' is for a target that seep starts itself, not for an attached one", f->name);
    if ((f->kind == FAULT_MEMORY || f->kind == FAULT_CPU) && knob_of(r, f, &knob, &why))
        return seep_fail(err, SEEP_E_USAGE, "The fault '%s' cannot be done on this machine: %.300s", f->name, why.text);
    return 0;
}
