// Inside scrape/: the tree of an expression; expr.c makes it, eval.c walks it.
#ifndef SEEP_SCRAPE_EXPR_NODE_H
#define SEEP_SCRAPE_EXPR_NODE_H

#include "scrape/expr.h"
#include <regex.h>

enum { NODES_MAX = 64, MATCHERS_MAX = 8, DEPTH_MAX = 16, KEYS_BYTES = 128 };

enum node_kind {
    NODE_NUMBER,
    NODE_SELECTOR,
    NODE_RATE,
    NODE_INCREASE,
    NODE_SUM,
    NODE_AVG,
    NODE_MIN,
    NODE_MAX,
    NODE_QUANTILE,
    NODE_ADD,
    NODE_SUBTRACT,
    NODE_MULTIPLY,
    NODE_DIVIDE,
    NODE_NEGATE,
};

struct matcher {
    char key[64], value[128];
    bool equal, pattern; // =, =~: equal; else not
    regex_t regex;
};

struct expr_node {
    enum node_kind kind;
    struct expr_node *a, *b;
    double number; // NUMBER; the quantile of QUANTILE
    char name[SCRAPE_NAME_BYTES];
    struct matcher matcher[MATCHERS_MAX];
    int n_matchers;
    double range_s;        // of a selector; 0: one scrape
    char keys[KEYS_BYTES]; // of "by"
};

struct scrape_expr {
    struct expr_node node[NODES_MAX];
    int n;
    const struct expr_node *root;
};

// "foo" as a histogram that is named without its "_bucket".
bool expr_is_plain_histogram(const struct expr_node *quantile);

#endif
