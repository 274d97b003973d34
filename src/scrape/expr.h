// The language of a profile's own series: expressions over what an endpoint exposes, evaluated once a scrape.
//
//   expr      = expr ("+"|"-"|"*"|"/") expr | "-" expr | "(" expr ")" | number | selector | function
//   selector  = name [ "{" label ("="|"!="|"=~"|"!~") "\"value\"" , ... "}" ]
//   function  = rate(selector ["[" time "]"]) | increase(selector ["[" time "]"])
//             | (sum|avg|min|max) ["by" "(" label , ... ")"] "(" expr ")"      -- "by" may stand behind, too
//             | histogram_quantile(number, expr or histogram's selector ["[" time "]"])
//
// It is a part of PromQL, with its meaning, and three differences: without a time in brackets rate() and increase() are
// over the time since the last scrape; a histogram may be named without "_bucket" and without rate(); and of two sides
// with one series each the labels need not agree, so that a{auth="true"} - a{auth="false"} is the difference.
#ifndef SEEP_SCRAPE_EXPR_H
#define SEEP_SCRAPE_EXPR_H

#include "base/err.h"
#include "scrape/table.h"

struct scrape_expr;

// column: of the place of an error, from 1; may be NULL. SEEP_E_USAGE with a sentence.
int scrape_expr_parse(const char *text, struct scrape_expr **out, size_t *column, struct seep_err *err);
void scrape_expr_free(struct scrape_expr *e);
// Does the expression need this metric?
bool scrape_expr_wants(const struct scrape_expr *e, const char *name);
double scrape_expr_longest_s(const struct scrape_expr *e); // the longest range; 0: none

enum { SCRAPE_RESULTS_MAX = 64 };
// Evaluates: each() gets one value a series of the result, finite, at most SCRAPE_RESULTS_MAX; what is not known (a
// first scrape, a division by zero) is left out. Returns the number left out for want of room, -1 without memory.
int scrape_expr_eval(const struct scrape_expr *e, const struct scrape_table *t,
                     void (*each)(const char *labels, double value, void *ctx), void *ctx);

#endif
