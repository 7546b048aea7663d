/* session.h -- one run of RUN/train: its data, its training, and what it leaves in the run folder.
 */
#ifndef GAGAC_SESSION_H
#define GAGAC_SESSION_H

#include "data.h"
#include "metrics.h"
#include "progress.h"
#include "report.h"
#include "snapshot.h"
#include "stages.h"
#include "training.h"

typedef struct Session {
    const Program *program;
    const char *run; /* the run folder; of a later stage its own */
    Stages *stages;  /* NULL: no curriculum */
    const char *data_path;
    char *checkpoints; /* RUN/checkpoints */
    Data data;
    Normaliser normaliser;
    Training training;
    Progress progress; /* what checkpoints say; its iteration is brought up to date
                          when one is written */
    uint64_t total;    /* iterations of the whole training */
    double start;      /* clock when this program started to train */
    Metrics metrics;
    ProgressBar bar;
    double saved; /* clock of the last checkpoint, 0: none in this run */
    uint64_t saved_iteration;
    bool save_failed;    /* a file of the run could not be written since the last good checkpoint */
    double warned;       /* clock of the last warning of that, 0: none */
    bool generator_lost; /* a generator to be kept could not be written */
    bool remove_others; /* --fresh: checkpoints of the earlier training go once the first new one is
                           safe */
    double reported;    /* clock of the last report */
} Session;

/* ---------------------------------------------------------------- record.c */
/* RUN/run.json: what was trained on what, how far it is. */
bool record_run(const Session *session, Error *error);
enum { FACT_COUNT = 6, FACT_SIZE = 64 };
typedef struct SessionFacts { /* the head of a report */
    ReportFact facts[FACT_COUNT];
    char values[FACT_COUNT][FACT_SIZE];
} SessionFacts;
void record_facts(const Session *session, SessionFacts *facts);
/* RUN/report.html, with rows drawn from the generator as it stands. */
bool record_report(const Session *session, Error *error);
/* Seconds since this program started to train. */
double session_seconds(const Session *session);

#endif
