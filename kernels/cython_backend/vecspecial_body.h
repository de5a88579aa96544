/* The algorithms of vecspecial.h for one type; included by it once a type. */

/* A polynomial whose coefficients stand by rising powers, by Horner's rule. */
#define POLYNOMIAL(result, x, ...) \
    static const REAL coefficients[] = __VA_ARGS__; \
    const int degree = (int)(sizeof coefficients / sizeof coefficients[0]) - 1; \
    VEC result = NAME(splat)(coefficients[degree]); \
    for (int k = degree - 1; k >= 0; k--) result = result * (x) + coefficients[k];

static inline VEC NAME(vabs)(VEC x) { return (VEC)((IVEC)x & ~(IVEC)NAME(splat)((REAL)-0.0)); }

/* log(x) = k ln 2 + log(m), m in [sqrt(1/2), sqrt(2)); log(m) by s = (m - 1) / (m + 1). -inf at 0, NaN below. */
static inline VEC NAME(vlog)(VEC x) {
    const UVEC half = (UVEC)NAME(splat)(SQRT_HALF), mantissa = (((UVEC){0} + 1) << MANTISSA) - 1;
    const REAL up = (REAL)((uint64_t)1 << (MANTISSA + 2));
    IVEC tiny = x < SMALLEST;
    VEC scaled = NAME(choose)(tiny, x * up, x);
    UVEC shifted = (UVEC)scaled + ((UVEC)NAME(splat)(1) - half);
    VEC m = (VEC)((shifted & mantissa) + half);
    VEC k = (VEC)((shifted >> MANTISSA) + (UVEC)NAME(splat)(ROUNDER)) - (ROUNDER + BIAS);
    k -= NAME(choose)(tiny, NAME(splat)(MANTISSA + 2), NAME(splat)(0));
    VEC f = m - (REAL)1, s = f / (f + (REAL)2), z = s * s, square = f * f * (REAL)0.5;
    POLYNOMIAL(p, z, LOG_TERMS)
    VEC log = k * LOG2_HIGH - ((square - (s * (square + z * p) + k * LOG2_LOW)) - f);
    log = NAME(choose)(x < INFINITY, log, x);
    VEC outside = NAME(choose)(x < 0, NAME(splat)(NAN), NAME(splat)(-INFINITY));
    return NAME(choose)(x <= 0, outside, log);
}

/* log(1 + y), 0 <= y <= 1, as 2 atanh(y / (2 + y)). */
static inline VEC NAME(vlog1p_unit)(VEC y) {
    VEC s = y / (y + (REAL)2), z = s * s;
    POLYNOMIAL(p, z, ATANH)
    return s * 2 + s * z * p;
}

/* The normal distribution's Phi(-t), t >= 0; *density becomes exp(-t * t / 2). */
static inline VEC NAME(vnormal_tail)(VEC t, VEC *density) {
    *density = NAME(vexp_negative)(t * t * (REAL)-0.5);
    VEC w = (REAL)1 / (t * TAIL_RATE + (REAL)1), u = w * 2 - (REAL)1;
    POLYNOMIAL(p, u, TAIL)
    return *density * w * p;
}

static inline VEC NAME(verf)(VEC x) {
    VEC t = NAME(vabs)(x), density, z = x * x;
    POLYNOMIAL(p, z, ERF_NEAR)
    VEC tail = NAME(vnormal_tail)(t * (REAL)1.41421356237309504880, &density);
    VEC far = (VEC)((IVEC)((REAL)1 - tail * 2) | ((IVEC)x & (IVEC)NAME(splat)((REAL)-0.0)));
    return NAME(choose)(t < 1, x * p, far);
}
