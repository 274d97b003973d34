// The identity of a target as it stands in the store, parsed and written again: only what is known reaches the output.
#include "report/json.h"
#include <jansson.h>

void report_json_identity(struct jsonw *w, const char *text)
{
    json_t *list = text == NULL ? NULL : json_loads(text, 0, NULL), *item;
    size_t i;
    jsonw_array(w, "identity");
    json_array_foreach(list, i, item)
    {
        jsonw_object(w, NULL);
        jsonw_string(w, "path", json_string_value(json_object_get(item, "path")));
        jsonw_string(w, "sha256", json_string_value(json_object_get(item, "sha256")));
        jsonw_string(w, "build_id", json_string_value(json_object_get(item, "build_id")));
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
    json_decref(list);
}
