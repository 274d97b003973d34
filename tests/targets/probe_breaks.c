// flags: -fno-builtin
// Memory that is neither malloc's nor mmap's: the program break in pieces, back and forth, failing calls, segments of
// System V whole, cut and detached; and mremap in all its ways. Prints what is live: "live ANONYMOUS SHARED ERRORS".
// ERRORS counts answers, errno or memory that are not as they must be.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

static long anonymous, shared;
static int errors;

static void expect(int ok)
{
    errors += !ok;
}

// Small pieces of one place become one entry however many they are; the last of them goes in part.
__attribute__((noinline)) static void break_in_pieces(void)
{
    char *first = sbrk(0);
    for (int i = 0; i < 20000; i++)
        expect(sbrk(100) == first + 100l * i);
    memset(first, 1, 2000000);
    errno = 77;
    expect(sbrk(-150) == first + 2000000);
    expect(errno == 77 && sbrk(0) == first + 1999850);
    anonymous += 1999850;
}

__attribute__((noinline)) static void break_by_address(void)
{
    char *now = sbrk(0);
    expect(brk(now + 300000) == 0 && brk(now + 100001) == 0 && sbrk(0) == now + 100001);
    anonymous += 100001;
    errno = 0;
    expect(brk((void *)(LONG_MAX / 2)) == -1 && errno == ENOMEM);
    errno = 0;
    expect(sbrk(LONG_MAX / 2) == (void *)-1 && errno == ENOMEM);
    expect(brk(NULL) == 0 && sbrk(0) == now + 100001); // below its start: nothing moves
}

__attribute__((noinline)) static char *attach(size_t bytes, const void *at, int flags)
{
    int id = shmget(IPC_PRIVATE, bytes, IPC_CREAT | 0600);
    char *p = shmat(id, at, flags);
    expect(id >= 0 && p != (void *)-1);
    shmctl(id, IPC_RMID, NULL);
    return p;
}

static void segments(void)
{
    char *kept = attach(100000, NULL, 0);
    shared += 102400;
    char *gone = attach(50000, NULL, 0);
    expect(shmdt(gone) == 0);
    errno = 0;
    expect(shmdt(gone) == -1 && errno == EINVAL);
    errno = 0;
    expect(shmdt(kept + 4096) == -1 && errno == EINVAL);
    errno = 0;
    expect(shmat(-1, NULL, 0) == (void *)-1 && errno == EINVAL);
    char *holed = attach(5 * 4096, NULL, 0), *headless = attach(5 * 4096, NULL, 0);
    munmap(holed + 4096, 4096);
    munmap(headless, 8192);
    expect(shmdt(holed) == 0 && shmdt(headless) == 0); // the kernel takes all that is left
    char *over = attach(3 * 4096, kept, SHM_REMAP);    // takes the place of the first pages
    expect(over == kept);
    kept[0] = kept[99999] = 1;
}

static char *map(size_t bytes)
{
    return mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void remaps(void)
{
    char *room = map(1 << 20), *p = map(65536), *q = map(65536);
    anonymous += 1 << 20;
    expect(mremap(p, 65536, 65536, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room); // over 64 KiB of the room
    expect(mremap(q + 32768, 32768, 65536, MREMAP_MAYMOVE) != MAP_FAILED);        // half of it grows elsewhere
    anonymous += 32768 + 65536;
    errno = 0;
    expect(mremap(q, 4096, 0, 0) == MAP_FAILED && errno == EINVAL);
    expect(munmap(room + 65536, 4096) == 0);
    anonymous -= 4096;
    char *common = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    expect(mremap(common, 0, 8192, MREMAP_MAYMOVE) != MAP_FAILED); // of nothing: the same pages once more
    anonymous += 2 * 8192;
    char *stays = map(8192);
    if (mremap(stays, 8192, 8192, MREMAP_MAYMOVE | 4) != MAP_FAILED) // MREMAP_DONTUNMAP, since Linux 5.7
        anonymous += 8192;
    anonymous += 8192;
}

int main(void)
{
    break_in_pieces();
    break_by_address();
    segments();
    remaps();
    dprintf(1, "live %ld %ld %d\n", anonymous, shared, errors);
    char c;
    return read(0, &c, 1) < 0;
}
