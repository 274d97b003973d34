// What valgrind leaves behind, read: memcheck's XML and text, DHAT's file. The first byte says which.
#include "confirm/sites.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static int file_of(const uint8_t *data, size_t size)
{
    int fd = memfd_create("seep-fuzz", MFD_CLOEXEC);
    FUZZ_NEED(fd >= 0 && write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static void check_sites(const struct confirm_sites *s)
{
    FUZZ_NEED(s->n <= CONFIRM_SITES_MAX);
    for (size_t i = 0; i < s->n; i++) {
        FUZZ_NEED(s->list[i].key != NULL);
        confirm_likeness(s->list[i].key, s->list[0].key);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_in in = {data, size};
    struct confirm_sites s = {0};
    struct confirm_xml xml;
    struct confirm_dhat dhat;
    uint8_t which = fuzz_u8(&in) % 3;
    int fd = file_of(in.at, in.left);
    if (which == 0) {
        confirm_read_xml(fd, CONFIRM_FINAL, &s, &xml);
        FUZZ_NEED(xml.finished || xml.trouble[0]);
    } else if (which == 1) {
        char *text = calloc(1, in.left + 1);
        FUZZ_NEED(text != NULL);
        memcpy(text, in.at, in.left);
        FUZZ_NEED(confirm_read_text(text, in.left, 0, &s) <= in.left);
        free(text);
    } else {
        confirm_read_dhat(fd, &s, &dhat);
        FUZZ_NEED(dhat.right != (dhat.trouble[0] != '\0'));
        for (int k = 0; k < 3; k++)
            FUZZ_NEED(dhat.bytes[k] >= 0 && dhat.blocks[k] >= 0);
    }
    check_sites(&s);
    confirm_sites_free(&s);
    close(fd);
    return 0;
}

size_t fuzz_seed(unsigned i, uint8_t *out)
{
    static const char *const texts[] = {
        "\x03<?xml version=\"1.0\"?>\n<valgrindoutput><protocoltool>memcheck</protocoltool><error>"
        "<kind>Leak_DefinitelyLost</kind><xwhat><text>1,800 (400 direct, 1,400 indirect) bytes in 2 blocks are "
        "definitely lost</text><leakedbytes>1800</leakedbytes><leakedblocks>2</leakedblocks></xwhat><stack><frame>"
        "<ip>0x1</ip><obj>/srv/app</obj><fn>a&lt;b&gt;::c(int)</fn></frame></stack></error><fatal_signal><signo>11"
        "</signo></fatal_signal></valgrindoutput>",
        "\x01==4711== 1,800 (400 direct, 1,400 indirect) bytes in 2 blocks are definitely lost in loss record 1 of 3\n"
        "==4711==    at 0x4841F2F: operator new(unsigned long) (in /usr/libexec/valgrind/vgpreload.so)\n"
        "==4711==    by 0x109CF7: shop::history::remember(unsigned int) (leak.cc:28)\n==4711== \n",
        "\x02{\"dhatFileVersion\":2,\"mode\":\"heap\",\"tu\":\"instrs\",\"te\":5,\"tg\":4,\"pps\":[{\"tb\":9,\"tbk\":1,"
        "\"tl\":3,\"gb\":9,\"gbk\":1,\"eb\":9,\"ebk\":1,\"rb\":0,\"fs\":[1,2]}],\"ftbl\":[\"[root]\",\"0x1: malloc (in "
        "/v.so)\",\"0x2: f (a.c:4)\"]}",
    };
    return i < sizeof texts / sizeof *texts ? fuzz_seed_text(texts[i], out) : 0;
}
