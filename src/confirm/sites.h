// What memcheck and DHAT say, by call path: blocks and bytes of each kind at each point in time. Private to
// src/confirm.
#ifndef SEEP_CONFIRM_SITES_H
#define SEEP_CONFIRM_SITES_H

#include "confirm/confirm.h"
#include "confirm/places.h"

enum { CONFIRM_SITES_MAX = 20000, CONFIRM_FRAMES_MAX = 256, CONFIRM_TEXT_MAX = 64 << 20 };

struct confirm_record { // one loss record
    enum confirm_kind kind;
    double bytes, blocks;
    struct report_frame frames[CONFIRM_FRAMES_MAX]; // function and module point into text
    size_t n_frames;
    struct seep_buf text; // what the frames point into by offset while it grows
    size_t function_at[CONFIRM_FRAMES_MAX], module_at[CONFIRM_FRAMES_MAX]; // SIZE_MAX: none
    uint64_t ip[CONFIRM_FRAMES_MAX];
};

struct confirm_site {
    char *key; // one function a line, innermost first, allocators and what starts programs and threads cut; of one that
               // has no name the file and the offset in it, or only the file where that is not known
    double bytes[CONFIRM_KINDS][CONFIRM_POINTS], blocks[CONFIRM_KINDS][CONFIRM_POINTS];
    double read_bytes, life_instructions; // of DHAT: read from its blocks, and how long all of them lived together
};

struct confirm_sites {
    struct confirm_site *list;
    size_t n, cap;
    size_t dropped; // records past the ceiling
    struct confirm_atlas atlas;
    const struct confirm_places *places; // of the process whose records are read next; NULL: not known
};

void confirm_record_clear(struct confirm_record *r, enum confirm_kind kind);
// Adds a frame at ip; function or module may be NULL. Frames past the ceiling are dropped.
void confirm_record_frame(struct confirm_record *r, const char *function, size_t function_len, const char *module,
                          size_t module_len, uint64_t ip);
// The same of "0x1092B2: entry_new (why_list.c:13)", as memcheck's text and DHAT's file have it; the text must end with
// a NUL somewhere. False when it is no such frame.
bool confirm_record_frame_text(struct confirm_record *r, const char *text, size_t len);
// Adds the record to its site at that point. The site is valid until the next one is taken; NULL: it was dropped.
struct confirm_site *confirm_sites_take(struct confirm_sites *s, struct confirm_record *r, int point);
void confirm_sites_free(struct confirm_sites *s);

// Of a stack of the report, in the same form; malloc'ed.
char *confirm_key_of(const struct report_stack *stack);
// How alike two keys are, 0..1: twice the length of their longest common subsequence of lines over the sum of their
// lengths; 0 when their innermost functions are not near each other.
double confirm_likeness(const char *a, const char *b);

// leaks_text.c: what `vgdb leak_check full reachable any unlimited` prints. Returns how many records were taken.
size_t confirm_read_text(const char *text, size_t len, int point, struct confirm_sites *s);

// leaks_xml.c: memcheck's XML of one process.
struct confirm_xml {
    bool memcheck;    // it is memcheck's
    bool finished;    // the closing tag was there
    int fatal_signal; // 0: none
    size_t records;
    char trouble[120]; // "" or what is wrong with the file
};
void confirm_read_xml(int fd, int point, struct confirm_sites *s, struct confirm_xml *out);

// dhat.c: DHAT's file of one process (JSON). Its points are these, its kind is CONFIRM_REACHABLE.
enum { CONFIRM_DHAT_TOTAL, CONFIRM_DHAT_PEAK, CONFIRM_DHAT_END }; // ever allocated; held at the heap's peak; at the end
struct confirm_dhat {
    bool right;                                 // it is DHAT's, of the heap, and whole
    double peak_instructions, end_instructions; // executed by then
    double bytes[3], blocks[3];                 // over all paths
    char trouble[120];                          // "" or what is wrong with the file
};
void confirm_read_dhat(int fd, struct confirm_sites *s, struct confirm_dhat *out);

#endif
