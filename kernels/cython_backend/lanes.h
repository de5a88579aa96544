/* What vector types have no operator for: max, min, part of a vector, sums and maxima across lanes.
 *
 * max_f32(a, b) is a > b ? a : b, so b where either is NaN (x86's own rule); min_f32 likewise with <.
 * load_part_f32(p, n, fill) reads n < LANES_F32 numbers and nothing behind them; the other lanes hold fill.
 * multiply_low(a, b) multiplies the low 32 bits of each 64-bit lane into 64 bits; even_pairs(a, b) is
 * a[0] b[0] a[2] b[2] ..., odd_pairs(a, b) is a[1] b[1] a[3] b[3] ...
 * store_part_f32(p, v, n) writes the first n < LANES_F32 lanes and nothing behind them.
 */
#ifndef FASTNN_LANES_H
#define FASTNN_LANES_H

#include "simd.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

typedef uint32_t vu32 __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t vu64 __attribute__((vector_size(VECTOR_BYTES)));

/* mask ? yes : no, for masks of all ones or all zeros a lane; compilers make a blend of it. */
static inline vf32 choose_f32(vi32 mask, vf32 yes, vf32 no) { return (vf32)((mask & (vi32)yes) | (~mask & (vi32)no)); }
static inline vf64 choose_f64(vi64 mask, vf64 yes, vf64 no) { return (vf64)((mask & (vi64)yes) | (~mask & (vi64)no)); }

#if defined(__AVX512F__) && VECTOR_BYTES == 64

static inline vf32 max_f32(vf32 a, vf32 b) { return (vf32)_mm512_max_ps((__m512)a, (__m512)b); }
static inline vf64 max_f64(vf64 a, vf64 b) { return (vf64)_mm512_max_pd((__m512d)a, (__m512d)b); }
static inline vf32 min_f32(vf32 a, vf32 b) { return (vf32)_mm512_min_ps((__m512)a, (__m512)b); }
static inline vf64 min_f64(vf64 a, vf64 b) { return (vf64)_mm512_min_pd((__m512d)a, (__m512d)b); }
static inline vf32 load_part_f32(const float *p, ptrdiff_t n, float fill) {
    return (vf32)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), (__mmask16)((1u << n) - 1), p);
}
static inline vf64 load_part_f64(const double *p, ptrdiff_t n, double fill) {
    return (vf64)_mm512_mask_loadu_pd(_mm512_set1_pd(fill), (__mmask8)((1u << n) - 1), p);
}
static inline void store_part_f32(float *p, vf32 v, ptrdiff_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
static inline void store_part_f64(double *p, vf64 v, ptrdiff_t n) {
    _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
static inline float sum_lanes_f32(vf32 v) { return _mm512_reduce_add_ps((__m512)v); }
static inline double sum_lanes_f64(vf64 v) { return _mm512_reduce_add_pd((__m512d)v); }
static inline float max_lanes_f32(vf32 v) { return _mm512_reduce_max_ps((__m512)v); }
static inline double max_lanes_f64(vf64 v) { return _mm512_reduce_max_pd((__m512d)v); }
static inline vu64 multiply_low(vu64 a, vu64 b) { return (vu64)_mm512_mul_epu32((__m512i)a, (__m512i)b); }
static inline vu64 even_pairs(vu64 a, vu64 b) { return (vu64)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b); }
static inline vu64 odd_pairs(vu64 a, vu64 b) { return (vu64)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b); }

#elif defined(__AVX2__) && VECTOR_BYTES == 32

static inline vf32 max_f32(vf32 a, vf32 b) { return (vf32)_mm256_max_ps((__m256)a, (__m256)b); }
static inline vf64 max_f64(vf64 a, vf64 b) { return (vf64)_mm256_max_pd((__m256d)a, (__m256d)b); }
static inline vf32 min_f32(vf32 a, vf32 b) { return (vf32)_mm256_min_ps((__m256)a, (__m256)b); }
static inline vf64 min_f64(vf64 a, vf64 b) { return (vf64)_mm256_min_pd((__m256d)a, (__m256d)b); }

/* Read from LANES - n on: n lanes of ones, then zeros. */
static const int32_t FIRST_LANES_32[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
static const int64_t FIRST_LANES_64[8] = {-1, -1, -1, -1};

static inline vf32 load_part_f32(const float *p, ptrdiff_t n, float fill) {
    __m256i mask = _mm256_loadu_si256((const __m256i *)(FIRST_LANES_32 + 8 - n));
    return choose_f32((vi32)mask, (vf32)_mm256_maskload_ps(p, mask), splat_f32(fill));
}
static inline vf64 load_part_f64(const double *p, ptrdiff_t n, double fill) {
    __m256i mask = _mm256_loadu_si256((const __m256i *)(FIRST_LANES_64 + 4 - n));
    return choose_f64((vi64)mask, (vf64)_mm256_maskload_pd(p, mask), splat_f64(fill));
}
/* By halves: a masked store takes tens of cycles on AMD. */
static inline void store_part_f32(float *p, vf32 v, ptrdiff_t n) {
    __m128 rest = _mm256_castps256_ps128((__m256)v);
    if (n & 4) { _mm_storeu_ps(p, rest); p += 4; rest = _mm256_extractf128_ps((__m256)v, 1); }
    if (n & 2) { _mm_storel_pi((__m64 *)p, rest); p += 2; rest = _mm_movehl_ps(rest, rest); }
    if (n & 1) _mm_store_ss(p, rest);
}
static inline void store_part_f64(double *p, vf64 v, ptrdiff_t n) {
    __m128d rest = _mm256_castpd256_pd128((__m256d)v);
    if (n & 2) { _mm_storeu_pd(p, rest); p += 2; rest = _mm256_extractf128_pd((__m256d)v, 1); }
    if (n & 1) _mm_store_sd(p, rest);
}
static inline float sum_lanes_f32(vf32 v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline double sum_lanes_f64(vf64 v) {
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128((__m256d)v), _mm256_extractf128_pd((__m256d)v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}
static inline float max_lanes_f32(vf32 v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static inline double max_lanes_f64(vf64 v) {
    __m128d s = _mm_max_pd(_mm256_castpd256_pd128((__m256d)v), _mm256_extractf128_pd((__m256d)v, 1));
    return _mm_cvtsd_f64(_mm_max_sd(s, _mm_unpackhi_pd(s, s)));
}
static inline vu64 multiply_low(vu64 a, vu64 b) { return (vu64)_mm256_mul_epu32((__m256i)a, (__m256i)b); }
static inline vu64 even_pairs(vu64 a, vu64 b) { return (vu64)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b); }
static inline vu64 odd_pairs(vu64 a, vu64 b) { return (vu64)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b); }

#else /* any other level: vector operators and short loops over the lanes */

static inline vu64 multiply_low(vu64 a, vu64 b) { return (a & 0xffffffffu) * (b & 0xffffffffu); }
static inline vu64 even_pairs(vu64 a, vu64 b) {
    vu64 pairs;
    for (int i = 0; i < LANES_F64; i += 2) pairs[i] = a[i], pairs[i + 1] = b[i];
    return pairs;
}
static inline vu64 odd_pairs(vu64 a, vu64 b) {
    vu64 pairs;
    for (int i = 0; i < LANES_F64; i += 2) pairs[i] = a[i + 1], pairs[i + 1] = b[i + 1];
    return pairs;
}

static inline vf32 max_f32(vf32 a, vf32 b) { return choose_f32(a > b, a, b); }
static inline vf64 max_f64(vf64 a, vf64 b) { return choose_f64(a > b, a, b); }
static inline vf32 min_f32(vf32 a, vf32 b) { return choose_f32(a < b, a, b); }
static inline vf64 min_f64(vf64 a, vf64 b) { return choose_f64(a < b, a, b); }

#define BY_LANES(real, vec, lanes_of, name) \
    static inline vec load_part_##name(const real *p, ptrdiff_t n, real fill) { \
        real lanes[lanes_of]; \
        for (int i = 0; i < lanes_of; i++) lanes[i] = fill; \
        for (ptrdiff_t i = 0; i < n; i++) lanes[i] = p[i]; \
        return load_##name(lanes); \
    } \
    static inline void store_part_##name(real *p, vec v, ptrdiff_t n) { \
        real lanes[lanes_of]; \
        store_##name(lanes, v); \
        for (ptrdiff_t i = 0; i < n; i++) p[i] = lanes[i]; \
    } \
    static inline real sum_lanes_##name(vec v) { \
        real lanes[lanes_of]; \
        store_##name(lanes, v); \
        for (int half = lanes_of / 2; half > 0; half /= 2) \
            for (int i = 0; i < half; i++) lanes[i] += lanes[i + half]; \
        return lanes[0]; \
    } \
    static inline real max_lanes_##name(vec v) { \
        real lanes[lanes_of]; \
        store_##name(lanes, v); \
        for (int half = lanes_of / 2; half > 0; half /= 2) \
            for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half]; \
        return lanes[0]; \
    }
BY_LANES(float, vf32, LANES_F32, f32)
BY_LANES(double, vf64, LANES_F64, f64)
#undef BY_LANES

#endif
#endif
