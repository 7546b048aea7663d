/* lanes.h -- loops over the lanes of a warp, for the handlers of instructions. */
#ifndef LANES_H
#define LANES_H

/* A lane only reads and writes its own element, so nothing stands against vectors. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#endif

/* The statement for each lane l of mask. */
#define FOR_LANES(mask, ...)                  \
    do {                                      \
        if ((mask) == ALL_LANES) {            \
            INDEPENDENT                       \
            for (int l = 0; l < LANES; l++) { \
                __VA_ARGS__                   \
            }                                 \
        } else {                              \
            for (int l = 0; l < LANES; l++)   \
                if ((mask) >> l & 1) {        \
                    __VA_ARGS__               \
                }                             \
        }                                     \
    } while (0)

/* Types of values and of the lanes that hold them. */
typedef uint16_t v_u16;
typedef int16_t v_s16;
typedef uint32_t v_u32;
typedef int32_t v_s32;
typedef float v_f32;
typedef uint64_t v_u64;
typedef int64_t v_s64;
typedef double v_f64;
typedef uint32_t lane_u16;
typedef uint32_t lane_s16;
typedef uint32_t lane_u32;
typedef int32_t lane_s32;
typedef float lane_f32;
typedef uint64_t lane_u64;
typedef int64_t lane_s64;
typedef double lane_f64;
#define WIDTH_u16 "4"
#define WIDTH_s16 "4"
#define WIDTH_u32 "4"
#define WIDTH_s32 "4"
#define WIDTH_f32 "4"
#define WIDTH_u64 "8"
#define WIDTH_s64 "8"
#define WIDTH_f64 "8"

#define LANES_OF(T, offset) ((lane_##T *)(void *)(warp->registers + (offset)))

#endif
