// Between the files of the link.
#ifndef SEEP_KEEPER_LINK_PRIV_H
#define SEEP_KEEPER_LINK_PRIV_H

#include "keeper/link.h"

#define KEEPER_LINK_MAGIC 0x6b6e696cu

void keeper_link_init(struct keeper_link *link);

#endif
