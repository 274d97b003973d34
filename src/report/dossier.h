// The performance report of a project: sections filled from runs, as one document. See docs/CI.md.
//
// Place: above report.h and compare.h; runs are read by the caller. Every figure stands in one of the runs, and the
// section says which; a section without a run says what run would fill it, and holds nothing else.
#ifndef SEEP_REPORT_DOSSIER_H
#define SEEP_REPORT_DOSSIER_H

#include "report/compare.h"

struct dossier_run {
    const struct report *report;
    const struct compare *since; // against its base; NULL: none
};

// What a run can be given for. One table: dossier_sections[] says key, title and what fills it.
enum dossier_section {
    DOSSIER_POLICY,
    DOSSIER_CACHE,
    DOSSIER_END_TO_END,
    DOSSIER_LOAD,
    DOSSIER_STRESS,
    DOSSIER_MEMORY,
    DOSSIER_SCALING,
    DOSSIER_SECTIONS
};

struct dossier_section_info {
    const char *key, *title, *filled_by; // key: as given on the command line
};
extern const struct dossier_section_info dossier_sections[DOSSIER_SECTIONS];

struct dossier {
    const char *title;
    int64_t now_ns; // real clock: when it was made
    struct {
        struct dossier_run *runs;
        size_t n;
    } section[DOSSIER_SECTIONS];
};

// The section of that key; DOSSIER_SECTIONS: there is none.
enum dossier_section dossier_find(const char *key);
// Where a run belongs that was given without a section: with a load to LOAD, else to MEMORY.
enum dossier_section dossier_place(const struct report *r);

// html: one self-contained page, else Markdown.
int dossier_write(const struct dossier *d, bool html, struct seep_buf *out, struct seep_err *err);

// dossier_advice.c, private: what follows from the runs.
struct doc;
void dossier_scaling(struct doc *doc, const struct dossier *d);
void dossier_capacity(struct doc *doc, const struct dossier *d);
void dossier_configuration(struct doc *doc, const struct dossier *d);
void dossier_bottlenecks(struct doc *doc, const struct dossier *d);
void dossier_recommendations(struct doc *doc, const struct dossier *d);
// A figure of a run by name ("cpu", "http.rate"); NaN where it is not known.
double dossier_figure(const struct report *r, const char *name);
// Whether run i of section s was met in an earlier section already: facts of a run are told once.
bool dossier_seen(const struct dossier *d, int s, size_t i);
// NAME of a run for people.
const char *dossier_name(const struct report *r);

#endif
