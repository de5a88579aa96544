/* The algorithms of vecmath.h for one type; included by it once a type. Products and sums are written so that the
 * compiler may fuse them (-ffp-contract=fast). */

/* exp(x) = 2**n * exp(r) with n = round(x / ln 2), |r| <= ln(2)/2 (Cody & Waite 1980). 2**n is multiplied in as two
 * factors, since n runs from the denormals' exponents to that of infinity. NaN passes the clamps. */
static inline VEC NAME(vexp)(VEC x) {
    x = NAME(min)(NAME(splat)(EXP_HIGHEST), NAME(max)(NAME(splat)(EXP_LOWEST), x));
    VEC shifted = x * (REAL)1.44269504088896340736 + ROUNDER;
    VEC n = shifted - ROUNDER;
    VEC r = (x - n * LN2_HIGH) - n * LN2_LOW;
    VEC r2 = r * r;
    VEC p = (REAL)1 + (r + r2 * EXP_TAIL(r, r2));
    UVEC twice_biased = (UVEC)shifted - (UVEC)NAME(splat)(ROUNDER) + 2 * BIAS; /* > 0: a logical shift will do */
    UVEC low = twice_biased >> 1;
    UVEC high = twice_biased - low;
    return p * (VEC)(low << MANTISSA) * (VEC)(high << MANTISSA);
}

/* exp(x) for x <= 0, as in softmax; what would be less than the smallest normal number is 0. A sixth fewer operations. */
static inline VEC NAME(vexp_negative)(VEC x) {
    VEC clamped = NAME(max)(NAME(splat)(EXP_SMALLEST), x);
    VEC shifted = clamped * (REAL)1.44269504088896340736 + ROUNDER;
    VEC n = shifted - ROUNDER;
    VEC r = (clamped - n * LN2_HIGH) - n * LN2_LOW;
    VEC r2 = r * r;
    VEC p = (REAL)1 + (r + r2 * EXP_TAIL(r, r2));
    VEC power = (VEC)(((UVEC)shifted - (UVEC)NAME(splat)(ROUNDER) + BIAS) << MANTISSA);
    return (VEC)((IVEC)(p * power) & ~(x < EXP_SMALLEST));
}

/* exp(x) - 1 for x <= 0, to a few ulp also near zero: 2**n * (exp(r) - 1) + (2**n - 1). */
static inline VEC NAME(vexpm1_negative)(VEC x) {
    x = NAME(max)(NAME(splat)(EXPM1_LOWEST), x);
    VEC shifted = x * (REAL)1.44269504088896340736 + ROUNDER;
    VEC n = shifted - ROUNDER;
    VEC r = (x - n * LN2_HIGH) - n * LN2_LOW;
    VEC r2 = r * r;
    VEC p = r + r2 * EXP_TAIL(r, r2);
    VEC power = (VEC)(((UVEC)shifted - (UVEC)NAME(splat)(ROUNDER) + BIAS) << MANTISSA);
    return power * p + (power - (REAL)1);
}

/* 1 / (1 + exp(-x)), as exp(x) / (1 + exp(x)) left of zero: no overflow, and the left tail's digits are kept. */
static inline VEC NAME(vsigmoid)(VEC x) {
    const IVEC sign = (IVEC)NAME(splat)((REAL)-0.0);
    VEC e = NAME(vexp_negative)((VEC)((IVEC)x | sign));
    return NAME(choose)(x < (REAL)0, e, NAME(splat)(1)) / ((REAL)1 + e);
}

/* -tanh|x| = m / (m + 2) with m = exp(-2|x|) - 1; then the sign of x. */
static inline VEC NAME(vtanh)(VEC x) {
    const IVEC sign = (IVEC)NAME(splat)((REAL)-0.0);
    VEC minus = (VEC)((IVEC)x | sign);
    VEC m = NAME(vexpm1_negative)(minus + minus);
    VEC t = m / (m + (REAL)2);
    return (VEC)(((IVEC)t & ~sign) | ((IVEC)x & sign));
}

/* out[i] = f(x[i]); out may be x. Two vectors at a time, so that their chains of operations overlap. */
#define MAP(stem) \
    static inline void NAME(vec_##stem)(const REAL *x, REAL *out, ptrdiff_t n) { \
        ptrdiff_t i = 0; \
        for (; i + 2 * LANES <= n; i += 2 * LANES) { \
            VEC a = NAME(v##stem)(NAME(load)(x + i)), b = NAME(v##stem)(NAME(load)(x + i + LANES)); \
            NAME(store)(out + i, a); \
            NAME(store)(out + i + LANES, b); \
        } \
        if (i + LANES <= n) { \
            NAME(store)(out + i, NAME(v##stem)(NAME(load)(x + i))); \
            i += LANES; \
        } \
        if (i < n) NAME(store_part)(out + i, NAME(v##stem)(NAME(load_part)(x + i, n - i, 0)), n - i); \
    }
MAP(exp)
MAP(tanh)
MAP(sigmoid)
#undef MAP
