/* program.h -- what the generated part of a training program tells the fixed part.
 *
 * The generated file model.c defines `const Program gagac_program`. All state (parameters,
 * optimiser moments, averages) is one block of reals, cache-line aligned; a Tensor says where an
 * array lies in it. Rows are padded to 16 reals with zeros: logical shape [a, b] is stored as a
 * rows of `stride` reals, b of them used.                                              */
#ifndef GAGAC_PROGRAM_H
#define GAGAC_PROGRAM_H

#include "course.h"
#include "cuda_space.h"
#include "imageset.h"
#include "nash.h"
#include "real.h"
#include <stdbool.h>
#include <stddef.h>

enum { MAX_INPUTS = 96, MAX_SCALARS = 24, MAX_OUTPUTS = 8, MAX_THREADS = 256 };

typedef enum TensorRole {
    ROLE_PARAMETER,
    ROLE_OPTIMISER,
    ROLE_AVERAGE,
    ROLE_VECTOR,
    ROLE_BOUND,
    ROLE_CONTROL
} TensorRole;
typedef enum InitKind {
    INIT_ZERO,
    INIT_ONE,
    INIT_UNIFORM,   /* U(-scale, scale) */
    INIT_NORMAL,    /* N(0, scale^2) */
    INIT_UNIT,      /* standard normal, then length 1 (spectral norm's vectors) */
    INIT_COPY,      /* the value of tensor `source` (averages) */
    INIT_VALUE,     /* scale */
    INIT_TRUNCATED, /* N(0, scale^2), drawn again until it is within two scales of 0 */
    INIT_ORTHOGONAL /* as matrix [all but the last axis][last]: orthogonal rows or columns, times
                       scale */
} InitKind;

typedef struct ProgramTensor {
    const char *name;  /* as in a checkpoint and a replay file: "D.0.weight" */
    const char *label; /* for people: "discriminator fc0 weight" */
    TensorRole role;
    int rank, dims[4];     /* logical shape; linear weights [out, in] */
    int rows, row, stride; /* stored shape: rows of stride reals, row of them used */
    size_t offset;         /* first real in the state block */
    InitKind init;
    double scale;
    int source; /* index of the tensor it belongs to, or -1 */
} ProgramTensor;

typedef enum InputKind { INPUT_DATA, INPUT_NORMAL, INPUT_UNIFORM } InputKind;

typedef struct ProgramInput { /* what an update reads for each sample of its batch */
    const char *name;         /* as in a replay file: "real" "z_d" "alpha" "noise_real" ... */
    InputKind kind;
    int width;        /* numbers a sample */
    bool flat;        /* replay shape is [updates, batch], not [updates, batch, width] */
    int stream;       /* purpose word of the Philox counter */
    bool once;        /* drawn once for the whole training: the counter does not hold the update */
    bool first_only;  /* a G update: replay takes the first slice of the iteration's D updates
                         (smoothed labels) */
    bool last_data;   /* a G update that reads data (or its noise): those of the iteration's last D
                         update */
    ImageShape map;   /* an image of `width` numbers, [channels][height][width] here and
                         [height][width][channels] in data and replay files; all 0: no image */
    bool every_pass;  /* noise of layers: replay shape is [passes, parts * batch, ...], a slab for
                         each update of an iteration, whatever its kind, and a last one for the
                         sample */
    int part, parts;  /* rows of such a slab */
    double low, high; /* INPUT_UNIFORM: the interval of the draws; 0, 0: [0, 1) */
} ProgramInput;

typedef enum ScalarKind {
    SCALAR_RATE,   /* base * gamma^decays of the schedule (training.c) */
    SCALAR_UNBIAS, /* 1 / (1 - base^t), t = this net's updates so far, from 1: takes the start out
                    * of a moving average */
    SCALAR_SHARE,  /* max(1 - base, 15 / (16 + t)): share of the newest value in a moving average
                    * that forgets its  start */
    SCALAR_UNBIAS_ROOT, /* 1 / sqrt(1 - base^t) */
    SCALAR_COURSE       /* course, at the iteration */
} ScalarKind;

typedef struct ProgramScalar {
    const char *name;
    ScalarKind kind;
    double base;
    Course course;
} ProgramScalar;

/* Where one update's inputs come from. Rows of `given` are samples: given[k][sample * width +
 * column]. */
typedef struct Batch {
    const struct Data *data; /* the data set, NULL in a replay */
    uint64_t position;       /* of the batch's first row in the endless shuffled order of rows */
    uint64_t seed;
    uint64_t update; /* counts this kind of update from the start of the training: Philox counter */
    uint64_t
        data_update; /* the D update that the data belongs to: counter of inputs with last_data */
    uint64_t first_update; /* the iteration's first D update: counter of inputs with first_only */
    uint64_t
        sample_offset; /* added to the sample's index in the counter (the sampler's first row) */
    const real *given[MAX_INPUTS]; /* replay: values instead of draws; NULL: draw */
} Batch;

typedef struct Pool Pool;

typedef struct ProgramUpdate {
    const char *name; /* "d_step" */
    int count;        /* updates an iteration */
    int input_count;
    const ProgramInput *inputs;
    int scalar_count;
    ProgramScalar scalars[MAX_SCALARS];
    int output_count;
    const char *outputs[MAX_OUTPUTS]; /* "d_loss", "penalty", "d_real", "d_fake" / "g_loss" */
    double flops;                     /* of one update */
    /* Reads the batch, changes the state, writes the outputs. work: work_size + threads *
     * scratch_size bytes of the program, 64-byte aligned, zeroed once. */
    void (*run)(Pool *pool, real *state, void *work, const Batch *batch, const real *scalars,
                double *outputs);
} ProgramUpdate;

/* Rows of normalised columns from the generator: rows first .. first+count-1 of the stream of
 * `seed`. */
typedef struct SampleRequest {
    uint64_t seed, first;
    int count;                /* any number; tiles are cut inside */
    const real *latent;       /* [count][z_dim] given latents, or NULL: draw */
    const real *condition;    /* [count][cond_dim] normalised conditions, or NULL */
    const real *const *given; /* images: values of Program.sample_inputs, instead of the two, NULL
                                 where they are drawn; or NULL */
    real *out;                /* [count][outputs]; images: [count][channels][height][width] */
    int thread;               /* which of the pool's threads asks, for `train --bench` */
} SampleRequest;

typedef enum SearchKind { SEARCH_NONE, SEARCH_THRESHOLD, SEARCH_BATCH } SearchKind;

typedef struct ProgramSearch { /* for latents that are worth an iteration: search.h */
    SearchKind kind;
    int update;                  /* that evaluates latents, in updates: its count is 0 */
    int scores, latents, memory; /* tensors [batch], [batch][z_dim], [4] */
    int steps, heuristic;        /* BATCH */
    double decay;                /* THRESHOLD */
} ProgramSearch;

typedef struct ProgramConstrain { /* weights that are moved back now and then */
    int every;                    /* iterations; 0: never */
    int update;                   /* that moves them, in updates: its count is 0 */
} ProgramConstrain;

typedef struct ProgramPictures { /* real pictures chosen by their fitness: hooks.h */
    bool chooses;
    int update;              /* that judges pictures, in updates: its count is 0 */
    int scores, kept, count; /* tensors [batch], [batch][x_dim], [2] */
    int steps, heuristic;    /* batches looked at; as in ProgramSearch */
    bool takes_last;         /* the last batch, whatever its fitness */
} ProgramPictures;

typedef struct ProgramMatch { /* an inner training before the updates of an iteration: hooks.h */
    int update;               /* in updates: its count is 0; its output is the loss */
    int factor, last, moved;  /* tensors []: of the rate, 0 to look only; the last loss; 0 or 1 */
    int steps, depth;
    bool has_threshold;
    double threshold;
    int reset_count, offset_count;
    const int *reset;   /* tensors that begin anew with it: what its optimiser remembers, offsets */
    const int *offsets; /* those that are 0 again after the updates */
} ProgramMatch;

typedef struct ProgramGang { /* nets of different times mixed: gang.h */
    int mix_steps;           /* iterations between two mixings; 0: none */
    bool remembers;          /* at an equilibrium of the payoffs; else with the anchors */
    double decay;            /* share of the present nets, where nothing is remembered */
    int size;                /* nets remembered of a side */
    int update; /* that gives payoffs, in updates: its count is 0; outputs: of G, of D */
    int points; /* batches a payoff is the mean of */
    NashMethod method;
    bool crossover, crossover_random, mutates;
    double mutation_chance;   /* that a mutation is left out */
    int memory[2], anchor[2]; /* tensors [size + 1][n], [n]; of G, of D */
    int count;                /* tensor [2]: nets remembered; 1 once the anchors are set */
    int shares;               /* tensor [2][size + 1]: of those remembered, in their order */
    int d_on_generators, g_on_discriminators; /* iterations between two trainings of a side on
                                                 what is remembered of the other; 0: none */
    int moves_d, moves_g;                     /* in updates: what these trainings run */
    long long reset_before;                   /* until then networks begin anew after a mixing */
    int preload_count; /* checkpoints whose nets are remembered from the start */
    const char *const *preload;
} ProgramGang;

typedef struct ProgramStages {  /* of a curriculum: stages.h */
    int count;                  /* 0: no curriculum */
    int number;                 /* of this program, from 0 */
    bool cycle;                 /* the first follows the last */
    const long long *steps;     /* iterations of each */
    const char *const *carried; /* by tensor: that of the stage before that it goes on with, NULL:
                                   it keeps its first value */
} ProgramStages;

typedef struct ProgramKernel { /* one numbered kernel of the generated code, for `train --bench` */
    const char *name;          /* as in the generated code: "k3" */
    const char *label;         /* for people: "discriminator fc1 + leaky_relu" */
    int update;                /* the update it belongs to; update_count: the sampler */
    double flops;              /* of one update (sampler: of one row) */
    double (*seconds)[8]; /* [MAX_THREADS][0]: time spent in it so far, one cache line a thread;
                             NULL without -DGAGAC_PROFILE */
} ProgramKernel;

typedef struct ImageRuntime ImageRuntime;

/* ---------------------------------------------------------------- the same training on a GPU */
typedef struct CudaArgument {
    CudaSpace space;
    size_t offset; /* in reals */
} CudaArgument;

typedef struct CudaLaunch { /* one kernel of an update */
    const char *kernel;     /* its name in the text */
    const char *label;      /* for people */
    unsigned grid[3], block;
    int argument_count;
    const CudaArgument *arguments;
    double flops;
} CudaLaunch;

typedef struct CudaSteps { /* the kernels of an update, in order */
    int count;
    const CudaLaunch *launches;
} CudaSteps;

typedef struct CudaImage { /* machine code made ahead of time */
    const char *arch;      /* "sm_90" */
    const unsigned char *bytes;
    size_t size;
} CudaImage;

typedef struct CudaProgram {
    const struct CudaText *texts; /* for NVRTC: cuda_load.h */
    int text_count;
    size_t work_size;         /* reals of the work block, zeroed once */
    int data_width;           /* columns of a row of the data */
    CudaSteps before;         /* what runs before the updates of an iteration */
    const CudaSteps *updates; /* by kind, like Program.updates */
    int image_count;
    const CudaImage *images;
    const char *device; /* "cuda" or "auto": where it trains when nobody says */
    int least_arch;     /* 80: the kernels need sm_80 or newer */
} CudaProgram;

typedef struct Program {
    const char *version;     /* of gagac */
    const char *config;      /* the config's text */
    const char *config_name; /* its base name */
    uint64_t config_hash;    /* of what decides nets and training; a checkpoint of another hash is
                                refused */
    const char *isa;         /* "avx512" "avx2" "generic" */
    int x_dim, cond_dim, z_dim, batch_size;
    const char *const *keys; /* x_dim column names; NULL in a program for images */
    ImageShape image; /* a program for images: x_dim is height * width * channels and a sample
                         is [channels][height][width], values in [-1, 1] */
    const ImageRuntime *images; /* &image_runtime (image.h) in a program for images, else NULL: only
                                   the former are linked with image libraries */
    bool stretch; /* pictures of samples are stretched from their own smallest and largest value to
                     0 ... 255; false: from -1 and 1 */
    int label_count;   /* classes that the networks know, 0: none */
    int normalisation; /* 0 std, 1 blend, 2 rank */
    const double *clamp_lower,
        *clamp_upper; /* x_dim bounds in physical units (constraints), or NULL */
    size_t lower_offset,
        upper_offset; /* where the x_dim - cond_dim normalised bounds lie in the state, in reals */
    long long iterations, passes; /* one of them > 0 */
    int schedule_step;            /* iterations, or passes where they are given; 0: off */
    bool schedule_per_update; /* passes: times the count of the rate's updates in an iteration */
    double schedule_gamma;
    bool shuffle;
    double ema_decay;
    long long store_start, store_every, store_last, log_every;
    uint64_t seed; /* of all draws, where the command line gives none */
    const char *start_from;
    int tensor_count;
    const ProgramTensor *tensors;
    size_t state_size; /* reals */
    size_t
        work_size; /* bytes shared by all threads; after them scratch_size bytes for each thread */
    size_t scratch_size; /* bytes, a multiple of 64 */
    ProgramSearch search;
    ProgramConstrain constrain;
    ProgramPictures pictures;
    double shake[2]; /* of G, of D: before an iteration each weight gains U(0, 1) times this */
    int match_count;
    const ProgramMatch *matches;
    ProgramGang gang;
    ProgramStages stages;
    int update_count;
    const ProgramUpdate *updates; /* in the order of an iteration: d_step, g_step */
    void (*before_iteration)(Pool *pool, real *state, void *work); /* weight clamp, or NULL */
    size_t generator_offset,
        average_offset; /* of the generator's parameters and their average (same layout), in reals;
                           average_offset = (size_t)-1 when there is no average */
    size_t sample_work_size; /* bytes */
    double sample_flops;
    int sample_input_count; /* images: what a sample reads, the latents first */
    const ProgramInput *sample_inputs;
    void (*sample)(const real *generator, const real *state, void *work,
                   const SampleRequest *request);
    const char *sampler_source; /* text of sampler.c, its numbers left open: sampler_write.h */
    const char *sampler_header;
    const char *sampler_device; /* text of sampler.cu, or NULL */
    bool estimates_w1;          /* -(d_real + d_fake) estimates the Wasserstein-1 distance */
    double (*peak)(Pool *pool); /* measures the FMA peak of the pool's threads, GFLOP/s, in some
                                   milliseconds */
    int kernel_count;
    const ProgramKernel *kernels;
    const CudaProgram *cuda; /* NULL: no code for a GPU */
} Program;

extern const Program gagac_program;

/* Columns that are normalised by statistics of the data: none of an image. */
static inline int program_columns(const Program *program)
{
    return program->images ? 0 : program->x_dim;
}

#endif
