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
    KEY_FOREVER = 8,  // numbers: "forever" is PROFILE_AUTO
    KEY_NULLS = 16,   // pairs: null is kept as a NULL value
    KEY_REQUIRED = 32,
    KEY_UNSET_IS_NULL = 64, // texts: a NULL array when nothing was given (else an empty one)
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

extern const struct schema_key schema_ready[], schema_dependency[], schema_proxy[], schema_fault[], schema_probe[],
    schema_scrape[]; // schema_faults.c

extern const struct key_ops key_named; // named.c: a map of free names to maps by `sub`, item_size bytes each

// Operations of the KEY_CUSTOM rows: custom.c.
extern const struct key_ops key_ready, key_limits, key_signal, key_exit, key_statuses, key_think, key_shutdown,
    key_model_number, key_stage_to, key_date;

// Reads the map `n` by `keys` into object, defaults included. `path` is for messages ("run", "" at the top).
int schema_read(const struct load_context *ctx, const struct schema_key *keys, const char *path, const struct node *n,
                void *object);
// Reads one value; used by custom operations for their parts.
int schema_read_value(const struct load_context *ctx, const struct schema_key *key, const char *path,
                      const struct node *n, void *object);
// Text of a scalar with its variables put in, checked to be one; NULL with an error.
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
// What a value of the key looks like: "duration or auto", "text", "one of a, b".
const char *schema_type_text(const struct schema_key *key, char *out, size_t size);

// What holds between keys: check.c.
int profile_check(const struct load_context *ctx, const struct node *root, struct profile *p);
// Of it, faults and what goes with them: check_faults.c.
int profile_check_faults(const struct load_context *ctx, const struct node *root, struct profile *p);

// Whether a value under this name is a secret (password, token, key, ...), and a text with the secrets in it replaced.
bool redact_name(const char *name);
char *redact_text(const char *text); // malloc'ed

#endif
