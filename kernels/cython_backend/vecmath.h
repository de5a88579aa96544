/* exp, tanh and sigmoid of whole vectors and of arrays, float32 and float64, for any VECTOR_BYTES.
 *
 * vecmath_body.h holds the algorithms once and is included twice, with the names and constants of the type set
 * here. The tail of an array runs through the same vector code as its body (a partial load, a partial store), so
 * an element's result does not depend on where in the array it stands. rows.h builds on these.
 */
#ifndef FASTNN_VECMATH_H
#define FASTNN_VECMATH_H

#include "lanes.h"

#define REAL float
#define VEC vf32
#define IVEC vi32
#define UVEC vu32
#define LANES LANES_F32
#define NAME(stem) stem##_f32
#define MANTISSA 23
#define BIAS 127
#define ROUNDER 12582912.0f   /* 1.5 * 2**23: adding it leaves the nearest integer in the low bits */
#define LN2_HIGH 0.693359375f /* few enough bits for n * LN2_HIGH to be exact, with or without FMA */
#define LN2_LOW -2.12194440e-4f
#define EXP_LOWEST -104.0f /* exp is 0 below, infinite above the highest */
#define EXP_HIGHEST 89.0f
#define EXP_SMALLEST -87.33654f /* exp is a normal number above */
#define EXPM1_LOWEST -80.0f /* exp(x) - 1 is -1 to the last bit below, and exp(x) still a normal number above */
/* (exp(r) - 1 - r) / r**2 for |r| <= ln(2)/2, interpolated at Chebyshev nodes: exp's relative error is 1e-8. */
#define EXP_TAIL(r, r2) \
    (0.5f + r * (0.166665763055606383f + r * (0.0416665537625676384f + r * (0.00836329275303060231f + \
     r * 0.00139263256181334621f))))
#include "vecmath_body.h"
#undef REAL
#undef VEC
#undef IVEC
#undef UVEC
#undef LANES
#undef NAME
#undef MANTISSA
#undef BIAS
#undef ROUNDER
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_LOWEST
#undef EXP_HIGHEST
#undef EXP_SMALLEST
#undef EXPM1_LOWEST
#undef EXP_TAIL

#define REAL double
#define VEC vf64
#define IVEC vi64
#define UVEC vu64
#define LANES LANES_F64
#define NAME(stem) stem##_f64
#define MANTISSA 52
#define BIAS 1023
#define ROUNDER 6755399441055744.0 /* 1.5 * 2**52 */
#define LN2_HIGH 6.93145751953125e-1
#define LN2_LOW 1.42860682030941723212e-6
#define EXP_LOWEST -746.0
#define EXP_HIGHEST 710.0
#define EXP_SMALLEST -708.396418532264
#define EXPM1_LOWEST -600.0
/* As above; the relative error is 2e-17. Summed in pairs (Estrin 1960): one long chain would leave the units idle. */
#define EXP_TAIL(r, r2) \
    (((0.500000000000000104 + r * 0.166666666666666675) + r2 * (0.0416666666666234768 + r * 0.00833333333333001176)) + \
     r2 * r2 * (((0.00138888889175382958 + r * 0.000198412698633032233) + \
                 r2 * (0.0000248015207925726928 + r * 2.75572680728900983e-6)) + \
                r2 * r2 * (2.76203274282682382e-7 + r * 2.51005692758136826e-8)))
#include "vecmath_body.h"
#undef REAL
#undef VEC
#undef IVEC
#undef UVEC
#undef LANES
#undef NAME
#undef MANTISSA
#undef BIAS
#undef ROUNDER
#undef LN2_HIGH
#undef LN2_LOW
#undef EXP_LOWEST
#undef EXP_HIGHEST
#undef EXP_SMALLEST
#undef EXPM1_LOWEST
#undef EXP_TAIL

#endif
