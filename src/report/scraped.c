// Names of scraped series: see scraped.h.
#include "report/scraped.h"

#include <stdlib.h>

const char **report_scraped_names(const struct profile *p, size_t *n)
{
    size_t room = 0;
    *n = 0;
    for (int i = 0; i < p->n_scrapes; i++)
        room += (size_t)p->scrapes[i].n_series + (size_t)p->scrapes[i].n_metrics;
    const char **names = room ? calloc(room, sizeof *names) : NULL;
    for (int i = 0; names && i < p->n_scrapes; i++) {
        for (int k = 0; k < p->scrapes[i].n_series; k++)
            names[(*n)++] = p->scrapes[i].series[k].key;
        for (int k = 0; k < p->scrapes[i].n_metrics; k++)
            names[(*n)++] = p->scrapes[i].metrics[k];
    }
    return names;
}
