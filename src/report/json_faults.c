// Member "faults" of verdict.json: every occurrence, and when the target was well again.
#include "report/json.h"

#include <math.h>

void report_json_faults(struct jsonw *w, const struct report *r)
{
    jsonw_array(w, "faults");
    for (size_t i = 0; i < r->n_faults && i < 1000; i++) {
        const struct report_fault *f = &r->faults[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "name", f->name);
        jsonw_int(w, "count", f->count);
        jsonw_double(w, "from_s", f->from_s);
        jsonw_double(w, "to_s", f->to_s);
        jsonw_string(w, "what", f->what);
        jsonw_string(w, "in_gates", f->cut ? "cut" : "counted");
        jsonw_string(w, "recovery", !f->told ? "unknown" : isfinite(f->recovery_s) ? "recovered" : "not_recovered");
        jsonw_double(w, "recovery_s", f->recovery_s);
        jsonw_string(w, "reason", f->sentence);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}
