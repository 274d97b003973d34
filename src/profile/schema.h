// Inside profile/: the one table of keys. Reading, defaults, errors, `profile_dump` and the reference all come from it.
#ifndef SEEP_PROFILE_SCHEMA_H
#define SEEP_PROFILE_SCHEMA_H

#include "base/jsonw.h"
#include "base/units.h"
#include "profile/profile.h"
#include "profile/tree.h"

enum key_type {
    KEY_TEXT,   // char *
    KEY_NAME,   // char *, letters, digits, '.', '_', '-'
    KEY_NUMBER, // double in the base unit of `unit`
    KEY_INT,    // int
    KEY_BOOL,   // bool
    KEY_CHOICE, // int-sized enum, its index in `choices`
    KEY_TEXTS,  // char **, NULL-terminated, with an int count; one text is a list of one
    KEY_PAIRS,  // struct profile_pair *, with an int count: a map of free names
    KEY_MAP,    // `sub` within the same or an inner struct
    KEY_LIST,   // array of structs read by `sub`, with an int count
    KEY_CUSTOM, // read and write
    KEY_FIXED,  // checked, not kept: version
};

enum {
    KEY_AUTO = 1,     // numbers: "auto" is PROFILE_AUTO
    KEY_OFF = 2,      // numbers: "off" is PROFILE_AUTO
    KEY_POSITIVE = 4, // numbers: more than zero
    KEY_FOREVER = 8,  // numbers: "forever" is INFINITY
    KEY_NULLS = 16,   // pairs: null is kept as a NULL value
    KEY_REQUIRED = 32,
    KEY_UNSET_IS_NULL = 64,  // texts: a NULL array when nothing was given (else an empty one)
    KEY_NAMED = 128,         // lists: a map of free names to items, the name is kept at `item_name`
    KEY_RUNTIME = 256,       // texts: ${user:}, ${data:} and ${gen:} may stand in it
    KEY_FILE = 512,          // texts: a path; a relative one is looked up from the directory of the file it stands in
    KEY_ONE = 1024,          // lists: mostly one; a map stands for it, and is written for it
    KEY_QUIET = 2048,        // not written by profile_dump when it has its default, or is empty
    KEY_BRIEF = 4096,        // the keys of `sub` are listed elsewhere in the reference
    KEY_FILLED = 8192,       // custom: read from an empty map when it is absent
    KEY_LIST_AS_MAP = 16384, // maps: a list, like a bare text, stands for a map with the key scalar_key
    KEY_UNIX_FILE = 32768,   // texts: what follows "unix:" is a path as of KEY_FILE
};

struct schema_key;

struct key_ops {
    int (*read)(const struct load_context *ctx, const struct schema_key *key, const struct node *n, void *object);
    void (*write)(struct jsonw *w, const struct schema_key *key, const void *object, bool redact);
};

struct schema_key {
    const char *name;
    enum key_type type;
    size_t offset; // of the field in the object
    size_t count;  // offset of the count: texts, pairs, lists
    enum seep_unit unit;
    double min, max; // numbers and ints; both 0: any that is not negative
    int flags;
    const char *choices; // "auto|exact|..."
    const char *def;     // YAML text read when the key is absent; NULL: zero
    const struct schema_key *sub;
    size_t item_size;       // lists
    size_t item_name;       // named lists: offset of a char * in the item
    size_t where;           // lists: offset of a struct profile_where in the item, plus 1; 0: none. Maps: the same
    const char *scalar_key; // lists: a bare text stands for a map with this key
    size_t present;         // maps: offset of a bool that says it was given, plus 1; absent ones are not read
    const struct key_ops *ops;
    int arg;               // for ops
    const char *type_name; // shown in the reference where the type's own name says too little
    const char *help;
};

extern const struct schema_key schema_profile[];                                     // ended by a row without a name
extern const struct schema_key schema_gate[], schema_requirements[], schema_allow[]; // schema_gates.c
extern const struct schema_key schema_load[];                                        // schema_load.c
extern const struct schema_key schema_scenario[], schema_step[], schema_expect[], schema_value[]; // schema_step.c

extern const struct schema_key schema_ready[], schema_dependency[], schema_proxy[], schema_fault[], schema_probe[],
    schema_scrape[]; // schema_faults.c

extern const struct key_ops key_named;           // named.c: a map of free names to maps by `sub`, item_size bytes each
extern const struct schema_key schema_confirm[]; // schema_proof.c
extern const struct schema_key schema_checklist[]; // schema_checklist.c: of a checklist

// Operations of the KEY_CUSTOM rows: custom.c.
extern const struct key_ops key_ready, key_limits, key_signal, key_exit, key_shutdown, key_date;
// The same of the load: custom_load.c, steps.c.
extern const struct key_ops key_model_number, key_stage_to, key_think, key_statuses, key_presence, key_metric,
    key_exit_codes, key_steps;

// Reads the map `n` by `keys` into object, defaults included. `path` is for messages ("run", "" at the top).
int schema_read(const struct load_context *ctx, const struct schema_key *keys, const char *path, const struct node *n,
                void *object);
// Reads one value; used by custom operations for their parts.
int schema_read_value(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object);
// One item of a list, or a map: `n` read by key->sub into `item`; a bare text as key->scalar_key says.
int schema_read_item(const struct load_context *ctx, const struct schema_key *key, const char *path,
                     const struct node *n, void *item);
// Text of a scalar with its variables put in, checked to be one that needs nothing of a running load; NULL with an
// error.
const char *schema_text(const struct load_context *ctx, const struct node *n, const char *what);
// A number in `unit` from a scalar; min..max as in a key row.
int schema_number(const struct load_context *ctx, const struct node *n, const char *what, enum seep_unit unit,
                  double *out);

void schema_write(struct jsonw *w, const struct schema_key *keys, const void *object, bool redact);
// Text that reads back to the same number: "600s", "277.77777777777777B/s".
void schema_quantity(struct jsonw *w, const char *key, double value, enum seep_unit unit);
// A text as the profile would have to hold it to read back as `text`; redacted by the name it stands under.
void schema_write_text(struct jsonw *w, const char *key, const char *name, const char *text, bool redact);

// Calls each row, depth first, with its full path ("load.scenarios[].weight").
void schema_each(const struct schema_key *keys, const char *prefix,
                 void (*each)(const char *path, const struct schema_key *key, void *ctx), void *ctx);

// The steps that a value of key_steps holds, and for each the place and size of its one_of (size 0: none).
struct step_nodes {
    const struct node *node[PROFILE_STEPS_MAX];
    int group_first[PROFILE_STEPS_MAX], group_n[PROFILE_STEPS_MAX];
    int n;
};
int steps_nodes(const struct load_context *ctx, const struct node *n, struct step_nodes *out);

// What holds in the texts of a load: check_text.c. Variables and tables that a
// reference names are those of the load; NULL checks the form only.
// Every run-time reference of `text` is one, and what it names is there. `n` is where an error points.
int check_runtext(const struct load_context *ctx, const struct profile_load *l, const struct node *n, const char *text);
// `groups`: how many groups a regular expression must have at least.
int check_regex(const struct load_context *ctx, const struct node *n, const char *text, size_t groups);
int check_jsonpath(const struct load_context *ctx, const struct node *n, const char *text);
int check_bound(const struct load_context *ctx, const struct node *n, const char *text);
bool check_is_token(const char *text); // the name of a header
bool check_is_name(const char *text);  // letters, digits, '.', '_', '-'

// Steps, checks and values: check_step.c. They get names and what their load gives them where they have nothing.
int check_steps(const struct load_context *ctx, struct profile_load *l, const struct node *n,
                struct profile_step *steps, int n_steps);
int check_scenario(const struct load_context *ctx, struct profile_load *l, const struct node *n,
                   struct profile_scenario *s);
int check_expect(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                 const struct profile_expect *e);
int check_headers(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                  const struct profile_pair *headers, int n_headers);
int check_unix(const struct load_context *ctx, const struct node *n, const char *path); // path NULL: not given
int check_value(const struct load_context *ctx, const struct profile_load *l, const struct node *n,
                const struct profile_extract *x);

// What holds between keys: check.c, and check_load.c for the loads.
int check_loads(const struct load_context *ctx, const struct node *root, struct profile *p);
int profile_check(const struct load_context *ctx, const struct node *root, struct profile *p);
// Of it, faults and what goes with them: check_faults.c.
int profile_check_faults(const struct load_context *ctx, const struct node *root, struct profile *p);

// Whether a value under this name is a secret (password, token, key, ...).
bool redact_name(const char *name);

#endif
