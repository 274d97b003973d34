// A fault for the watchdog to find: in threads named "hangs" the probe does not come back from reading unwind tables
// until it has been turned off (or a minute has passed, so that a broken watchdog fails its case instead of blocking
// it). Linked with --wrap=probe_cfi_row into a probe of its own; nothing of it is in the one that is shipped.
#include "malloc/probe.h"

#include <string.h>
#include <sys/prctl.h>

int __real_probe_cfi_row(const struct probe_object *o, uintptr_t pc, struct probe_cfi_row *row);
int __wrap_probe_cfi_row(const struct probe_object *o, uintptr_t pc, struct probe_cfi_row *row);

int __wrap_probe_cfi_row(const struct probe_object *o, uintptr_t pc, struct probe_cfi_row *row)
{
    char name[16] = "";
    sys6(SYS_prctl, PR_GET_NAME, (long)name, 0, 0, 0, 0);
    uint64_t until = sys_now_ns() + 60000000000ull;
    while (!strcmp(name, "hangs") && load_acquire(&probe_page->phase) == PROBE_ON && sys_now_ns() < until)
        ;
    return __real_probe_cfi_row(o, pc, row);
}
