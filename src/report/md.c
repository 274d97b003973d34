// Markdown under a hard limit: see md.h.
#include "report/md.h"
#include "base/esc.h"
#include "base/units.h"

#include <string.h>

enum { SENTENCE_ROOM = 256 };

void md_init(struct md *m, struct seep_buf *out, size_t limit_bytes)
{
    *m = (struct md){.out = out, .limit = limit_bytes == 0 ? MD_LIMIT_DEFAULT : limit_bytes};
}

void md_section(struct md *m, const char *text)
{
    m->section = text;
}

void md_row(struct md *m)
{
    m->mark = m->out->len;
    if (m->section != NULL)
        buf_str(m->out, m->section);
}

void md_row_end(struct md *m)
{
    if (m->cut || m->out->failed || m->out->len + SENTENCE_ROOM > m->limit) {
        m->cut = true;
        m->left_out++;
        m->out->failed = false; // a row past the ceiling of the buffer is one without room
        m->out->len = m->mark;
        if (m->out->data != NULL)
            m->out->data[m->mark] = '\0';
        return;
    }
    m->section = NULL;
}

void md_end(struct md *m)
{
    char size[32];
    if (m->left_out > 0)
        buf_printf(m->out, "\n*%zu more row%s left out, to stay within %s.*\n", m->left_out,
                   m->left_out == 1 ? " is" : "s are", units_bytes(size, sizeof size, (double)m->limit));
}

void md_foreign(struct md *m, const char *text)
{
    esc_markdown(m->out, text, strlen(text));
}

void md_value(struct md *m, double value, enum judge_unit unit)
{
    char text[48];
    buf_str(m->out, judge_format(text, sizeof text, value, unit));
}
