// The scan worker: one scan, then it ends. It gives up what it does not need and bounds itself before it reads anything
// of the target's.
#include "scan/internal.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static void bound_ourselves(double limit_s)
{
    struct rlimit data = {SCAN_DATA_CEILING, SCAN_DATA_CEILING}, core = {0, 0};
    struct rlimit cpu = {(rlim_t)limit_s + 2, (rlim_t)limit_s + 4};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) // their shadow is data, too
    setrlimit(RLIMIT_DATA, &data);
#else
    (void)data;
#endif
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &core);
    (void)!nice(10); // the target and its load come first
}

int scan_worker_main(int box_fd)
{
    struct stat st;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (fstat(box_fd, &st) < 0 || st.st_size != (off_t)sizeof(struct scan_box))
        return 2;
    struct scan_box *box = mmap(NULL, sizeof *box, PROT_READ | PROT_WRITE, MAP_SHARED, box_fd, 0);
    if (box == MAP_FAILED || box->magic != SCAN_BOX_MAGIC || box->version != SCAN_BOX_VERSION)
        return 2;
    if (box->looks >= SCAN_LOOKS_MAX || box->n_suspects > SCAN_SUSPECTS_MAX ||
        box->n_checked > SCAN_SUSPECTS_MAX * SCAN_CHECKED_MAX)
        return 2;
    bound_ourselves(box->limit_s);
    struct scan_table table;
    if (scan_table_open(&table, box, box_fd + 1, NULL)) {
        box->trouble = SCAN_GONE;
        return 1;
    }
    int rc = scan_pass(box, &table, box_fd + 2);
    scan_table_close(&table);
    return rc ? 1 : 0;
}
