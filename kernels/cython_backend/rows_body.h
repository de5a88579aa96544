/* The row primitives of rows.h for one type. n >= 1.
 *
 * Sums run in the lanes of two vectors for at most SUM_BLOCK numbers and are then added in double, so that a long
 * row loses no digits. Lanes behind a row's end hold a value that changes nothing: -inf under exp and max, 0 in sums.
 * NaN needs no special case: max may drop one, but exp(NaN - max) puts it into the sum, and so into the whole row;
 * a maximum of -inf or +inf gives inf - inf = NaN in the same way.
 */

#ifndef SUM_BLOCK
#define SUM_BLOCK 4096
#endif

static inline REAL NAME(row_max)(const REAL *x, ptrdiff_t n) {
    VEC a = NAME(splat)(-INFINITY), b = a, c = a, d = a;
    ptrdiff_t i = 0;
    for (; i + 4 * LANES <= n; i += 4 * LANES) {
        a = NAME(max)(NAME(load)(x + i), a);
        b = NAME(max)(NAME(load)(x + i + LANES), b);
        c = NAME(max)(NAME(load)(x + i + 2 * LANES), c);
        d = NAME(max)(NAME(load)(x + i + 3 * LANES), d);
    }
    for (; i + LANES <= n; i += LANES) a = NAME(max)(NAME(load)(x + i), a);
    if (i < n) b = NAME(max)(NAME(load_part)(x + i, n - i, -INFINITY), b);
    return NAME(max_lanes)(NAME(max)(NAME(max)(a, b), NAME(max)(c, d)));
}

/* out[i] = exp(x[i] - shift) where out is not NULL; returns the sum of the exponentials. shift is the maximum. */
static inline double NAME(row_exp_sum)(const REAL *x, REAL shift, REAL *out, ptrdiff_t n) {
    double total = 0;
    for (ptrdiff_t start = 0; start < n; start += SUM_BLOCK) {
        ptrdiff_t stop = n - start < SUM_BLOCK ? n : start + SUM_BLOCK, i = start;
        VEC a = NAME(splat)(0), b = a;
        for (; i + 2 * LANES <= stop; i += 2 * LANES) {
            VEC e = NAME(vexp_negative)(NAME(load)(x + i) - shift), f = NAME(vexp_negative)(NAME(load)(x + i + LANES) - shift);
            if (out) {
                NAME(store)(out + i, e);
                NAME(store)(out + i + LANES, f);
            }
            a += e;
            b += f;
        }
        if (i + LANES <= stop) {
            VEC e = NAME(vexp_negative)(NAME(load)(x + i) - shift);
            if (out) NAME(store)(out + i, e);
            a += e;
            i += LANES;
        }
        if (i < stop) {
            VEC e = NAME(vexp_negative)(NAME(load_part)(x + i, stop - i, -INFINITY) - shift);
            if (out) NAME(store_part)(out + i, e, stop - i);
            b += e;
        }
        total += NAME(sum_lanes)(a + b);
    }
    return total;
}

/* The sum over the row of an expression of a = p[i], b = q[i] and the constant c, which must be 0 for
 * a = 0, b = c. */
#define ROW_SUM(stem, expression) \
    static inline double NAME(row_##stem)(const REAL *p, const REAL *q, REAL c, ptrdiff_t n) { \
        double total = 0; \
        VEC a, b; \
        for (ptrdiff_t start = 0; start < n; start += SUM_BLOCK) { \
            ptrdiff_t stop = n - start < SUM_BLOCK ? n : start + SUM_BLOCK, i = start; \
            VEC s = NAME(splat)(0), t = s; \
            for (; i + 2 * LANES <= stop; i += 2 * LANES) { \
                a = NAME(load)(p + i), b = NAME(load)(q + i); \
                s += expression; \
                a = NAME(load)(p + i + LANES), b = NAME(load)(q + i + LANES); \
                t += expression; \
            } \
            if (i + LANES <= stop) { \
                a = NAME(load)(p + i), b = NAME(load)(q + i); \
                s += expression; \
                i += LANES; \
            } \
            if (i < stop) { \
                a = NAME(load_part)(p + i, stop - i, 0), b = NAME(load_part)(q + i, stop - i, c); \
                t += expression; \
            } \
            total += NAME(sum_lanes)(s + t); \
        } \
        (void)a, (void)b; /* an expression may leave one out */ \
        return total; \
    }
ROW_SUM(dot, a * b)
ROW_SUM(shifted, b - c)
ROW_SUM(weighted_shifted, a * (b - c)) /* a: weights, b: logits, c: the row's maximum */
#undef ROW_SUM

/* out[i] = an expression of a = p[i], b = q[i] and the constants c and d; out may be p or q. */
#define ROW_MAP(stem, expression) \
    static inline void NAME(row_##stem)(const REAL *p, const REAL *q, REAL c, REAL d, REAL *out, ptrdiff_t n) { \
        ptrdiff_t i = 0; \
        VEC a, b; \
        for (; i + LANES <= n; i += LANES) { \
            a = NAME(load)(p + i), b = NAME(load)(q + i); \
            NAME(store)(out + i, expression); \
        } \
        if (i < n) { \
            a = NAME(load_part)(p + i, n - i, 0), b = NAME(load_part)(q + i, n - i, 0); \
            NAME(store_part)(out + i, expression, n - i); \
        } \
        (void)b, (void)c, (void)d; \
    }
ROW_MAP(scale, a * c)
ROW_MAP(shift, (a - c) - d)
ROW_MAP(softmax_backward, a * (b - c))                       /* a: out, b: grad, c: <grad, out> */
ROW_MAP(log_softmax_backward, a - NAME(vexp)(b) * c)         /* a: grad, b: out, c: sum of grad */
ROW_MAP(scale_subtract, a * c - d)
ROW_MAP(scale_subtract_weighted, a * c - b * d)
#undef ROW_MAP

/* A row of up to two vectors stays in registers. */
static inline void NAME(row_softmax_short)(const REAL *x, REAL *out, ptrdiff_t n) {
    VEC a, b = NAME(splat)(-INFINITY);
    ptrdiff_t rest = n - LANES;
    if (rest < 0) a = NAME(load_part)(x, n, -INFINITY);
    else a = NAME(load)(x);
    if (rest == LANES) b = NAME(load)(x + LANES);
    else if (rest > 0) b = NAME(load_part)(x + LANES, rest, -INFINITY);
    REAL shift = NAME(max_lanes)(NAME(max)(a, b));
    a = NAME(vexp_negative)(a - shift);
    b = NAME(vexp_negative)(b - shift);
    REAL factor = 1 / NAME(sum_lanes)(a + b);
    a *= factor;
    b *= factor;
    if (rest < 0) NAME(store_part)(out, a, n);
    else NAME(store)(out, a);
    if (rest == LANES) NAME(store)(out + LANES, b);
    else if (rest > 0) NAME(store_part)(out + LANES, b, rest);
}

/* The sum of n numbers: eight by eight in their own type, which costs a few of its last digits at most, then in double. */
static inline double NAME(row_total)(const REAL *x, ptrdiff_t n) {
    vf64 a = splat_f64(0), b = a;
    ptrdiff_t i = 0;
#define AT(k) NAME(load)(x + i + (k) * LANES)
    for (; i + 16 * LANES <= n; i += 16 * LANES) {
        a += NAME(widen)(((AT(0) + AT(1)) + (AT(2) + AT(3))) + ((AT(4) + AT(5)) + (AT(6) + AT(7))));
        b += NAME(widen)(((AT(8) + AT(9)) + (AT(10) + AT(11))) + ((AT(12) + AT(13)) + (AT(14) + AT(15))));
    }
    for (; i + LANES <= n; i += LANES) a += NAME(widen)(AT(0));
#undef AT
    double total = i ? sum_lanes_f64(a + b) : 0;
    for (; i < n; i++) total += x[i];
    return total;
}
