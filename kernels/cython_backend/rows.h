/* What softmax, log-softmax and cross-entropy do to one row, float32 and float64; built on vecmath.h.
 * rows_body.h holds the code once and is included twice. */
#ifndef FASTNN_ROWS_H
#define FASTNN_ROWS_H

#include <math.h>

#include "vecmath.h"

/* The two halves of a vector of floats, added in double; a vector of doubles as it is. */
typedef float vf32_half __attribute__((vector_size(VECTOR_BYTES / 2)));
static inline vf64 widen_f32(vf32 v) {
    vf32_half half[2];
    memcpy(half, &v, sizeof v);
    return __builtin_convertvector(half[0], vf64) + __builtin_convertvector(half[1], vf64);
}
static inline vf64 widen_f64(vf64 v) { return v; }

#define REAL float
#define VEC vf32
#define LANES LANES_F32
#define NAME(stem) stem##_f32
#include "rows_body.h"
#undef REAL
#undef VEC
#undef LANES
#undef NAME

#define REAL double
#define VEC vf64
#define LANES LANES_F64
#define NAME(stem) stem##_f64
#include "rows_body.h"
#undef REAL
#undef VEC
#undef LANES
#undef NAME

#endif
