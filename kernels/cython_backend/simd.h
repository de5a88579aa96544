/* The SIMD width of this ISA level, as GCC/Clang vector types, and loads and stores for them.
 *
 * One stub module is compiled for each level with its own -march, so that the predefined macros say which level
 * this is. vf32/vf64 hold LANES_F32/LANES_F64 numbers; vi32/vi64 are their integer twins (comparisons give them).
 */
#ifndef FASTNN_SIMD_H
#define FASTNN_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* -DVECTOR_BYTES=64 builds the wide code for a narrower processor, to test it there. */
#if defined(VECTOR_BYTES)
#elif defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

#define LANES_F32 (VECTOR_BYTES / 4)
#define LANES_F64 (VECTOR_BYTES / 8)

typedef float vf32 __attribute__((vector_size(VECTOR_BYTES)));
typedef double vf64 __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t vi32 __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t vi64 __attribute__((vector_size(VECTOR_BYTES)));

/* memcpy of a whole vector compiles to one unaligned load or store. */
static inline vf32 load_f32(const float *p) { vf32 v; memcpy(&v, p, sizeof v); return v; }
static inline vf64 load_f64(const double *p) { vf64 v; memcpy(&v, p, sizeof v); return v; }
static inline void store_f32(float *p, vf32 v) { memcpy(p, &v, sizeof v); }
static inline void store_f64(double *p, vf64 v) { memcpy(p, &v, sizeof v); }
static inline vf32 splat_f32(float x) { return x - (vf32){0}; }
static inline vf64 splat_f64(double x) { return x - (vf64){0}; }

#endif
