/* What softmax, log-softmax and cross-entropy do to one row, float32 and float64; built on vecmath.h.
 * rows_body.h holds the code once and is included twice. */
#ifndef FASTNN_ROWS_H
#define FASTNN_ROWS_H

#include <math.h>

#include "vecmath.h"

/* Sums of a whole row run in double: two conversions for eight floats cost less than the memory they come from. */
typedef float vf32_half __attribute__((vector_size(VECTOR_BYTES / 2)));
static inline vf64 load_wide_f32(const float *p) {
    vf32_half v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vf64);
}
static inline vf64 load_wide_f64(const double *p) { return load_f64(p); }

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
