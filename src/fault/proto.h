// What the supervisor and the proxy worker say to each other: one message of fixed size, and its reply.
#ifndef SEEP_FAULT_PROTO_H
#define SEEP_FAULT_PROTO_H

#include "fault/proxy.h"

#define FAULT_MAGIC       0x79787270u // "prxy"
#define FAULT_VERSION     1
#define FAULT_FD_LISTEN   3
#define FAULT_FD_DIR      4
#define FAULT_NAME_MAX    64
#define FAULT_ADDRESS_MAX 280

enum fault_msg_type { FAULT_MSG_OPEN = 1, FAULT_MSG_TOXIC, FAULT_MSG_COUNTS, FAULT_MSG_END };

struct fault_msg {
    uint32_t magic;
    uint16_t version, type;
    uint32_t seq;
    uint32_t slot;
    char name[FAULT_NAME_MAX];
    char listen[FAULT_ADDRESS_MAX], to[FAULT_ADDRESS_MAX];
    struct fault_toxic toxic;
};

struct fault_reply {
    uint32_t magic;
    uint16_t version, pad;
    uint32_t seq;
    int32_t code;   // enum seep_code, 0: done
    char text[256]; // the sentence, when not
    struct fault_proxy_counts counts;
};

#endif
