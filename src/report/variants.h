// Variants of a program, measured in rounds beside each other, as text, JSON, Markdown or one HTML page.
//
// Place: cmd/variants.c runs them and fills one struct variants from their reports; the statistics are judge/paired.h.
// Trust: names of variants were checked by the command, everything else (names of figures, sentences) may be a target's
// and is escaped at each sink.
#ifndef SEEP_REPORT_VARIANTS_H
#define SEEP_REPORT_VARIANTS_H

#include "base/buf.h"
#include "judge/paired.h"

enum {
    VARIANTS_MAX = 8,
    VARIANTS_ROUNDS_MAX = 20,
    VARIANTS_FIGURES_MAX = 400,
    VARIANTS_NAME_BYTES = 32,
    VARIANTS_RUN_BYTES = 160,
};

struct variants_figure {
    char name[160]; // "http.p99{scenario=login}"
    enum judge_unit unit;
    bool listed;                                     // in the table; others only in gates and JSON
    double value[VARIANTS_MAX][VARIANTS_ROUNDS_MAX]; // NaN unknown
};

// A gate across variants: `left` and `right` are the means of its sides over the rounds, `margin` is left - right.
struct variants_gate {
    const char *text;
    enum judge_status status;
    bool less, or_equal;
    bool fixed; // the right side is a constant
    double left, right;
    struct judge_paired margin;
    enum judge_unit unit;
    char reason[200]; // a sentence, "" when there is nothing to say
};

struct variants_one {
    char name[VARIANTS_NAME_BYTES];
    double instances; // NaN: not said
    int rounds_worse; // in which compare finds it worse than the first variant
    struct {
        char run[VARIANTS_RUN_BYTES];
        const char *verdict; // a word; NULL: it did not run to its end
    } round[VARIANTS_ROUNDS_MAX];
};

struct variants {
    const char *name;
    bool at_once;
    int rounds, planned; // complete ones, asked for
    int n;
    struct variants_one one[VARIANTS_MAX];
    struct variants_figure *figure; // n_figures of VARIANTS_FIGURES_MAX
    size_t n_figures;
    struct variants_gate *gate;
    int n_gates;
    const char *ended_early; // a sentence; NULL: all rounds took place
};

// The figure of that name, made when there is none; NULL without room.
struct variants_figure *variants_figure(struct variants *v, const char *name, enum judge_unit unit);
// The median over the complete rounds in which it is known; NaN without any.
double variants_median(const struct variants *v, const struct variants_figure *f, int variant);
// The figure of variant k over that of the first one, by rounds.
void variants_ratio(const struct variants *v, const struct variants_figure *f, int k, struct judge_paired *out);
// Throughput an instance against that of the first variant: 1 is perfect. n 0: not said, or no load.
void variants_scaling(const struct variants *v, int k, struct judge_paired *out);

void variants_text(const struct variants *v, struct seep_buf *out);
void variants_markdown(const struct variants *v, struct seep_buf *out);
int variants_html(const struct variants *v, struct seep_buf *out, struct seep_err *err);
// Schema seep.variants/1: docs/schema/seep.variants.1.json.
void variants_json(const struct variants *v, struct seep_buf *out);

// Private, variants.c: texts that the formats share; each returns out.
char *variants_ratio_text(const struct judge_paired *p, char *out, size_t size);      // "1.08 [1.02, 1.15]", or ""
char *variants_gate_text(const struct variants_gate *g, char *out, size_t size);      // what its sides came to
char *variants_title_text(const struct variants *v, char *out, size_t size);          // how many, how often, and how
char *variants_scaling_text(const struct variants *v, int k, char *out, size_t size); // "" when not said
const char *variants_gate_word(const struct variants_gate *g);                        // "PASS", "FAIL", "INCONCLUSIVE"

#endif
