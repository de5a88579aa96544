/* even_lanes_f32(a, b): every second number of a and b, in order: what a stride of 2 reads. */
#ifndef FASTNN_EVEN_LANES_H
#define FASTNN_EVEN_LANES_H

#include "simd.h"

#if defined(__clang__)
#define EVEN(mask, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define EVEN(mask, a, b, ...) __builtin_shuffle(a, b, (mask){__VA_ARGS__})
#endif
#if VECTOR_BYTES == 64
static inline vf32 even_lanes_f32(vf32 a, vf32 b) { return EVEN(vi32, a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30); }
static inline vf64 even_lanes_f64(vf64 a, vf64 b) { return EVEN(vi64, a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
#elif VECTOR_BYTES == 32
static inline vf32 even_lanes_f32(vf32 a, vf32 b) { return EVEN(vi32, a, b, 0, 2, 4, 6, 8, 10, 12, 14); }
static inline vf64 even_lanes_f64(vf64 a, vf64 b) { return EVEN(vi64, a, b, 0, 2, 4, 6); }
#else
static inline vf32 even_lanes_f32(vf32 a, vf32 b) { return EVEN(vi32, a, b, 0, 2, 4, 6); }
static inline vf64 even_lanes_f64(vf64 a, vf64 b) { return EVEN(vi64, a, b, 0, 2); }
#endif
#undef EVEN

#endif
