/* test_chain_batch.c -- the same with a batch of more tiles than a GPU has multiprocessors, so that
 * tiles are wider. */
#define _POSIX_C_SOURCE 200809L
#define CASE_BATCH 4501
#include "gagac.h"

#include "test_chain.c"
