/* Activations and their gradients for one type; included by vecspecial.h once a type.
 *
 * f_KIND(x, a, b) is the value, d_KIND(g, x, a, b) the gradient where g comes from above. NaN is kept: max(c, x)
 * and min(c, x) give x where it is NaN. Where a factor that overflows meets one that is 0, x is limited first: the
 * limits are the mathematical ones. */
#define V(x) NAME(splat)((REAL)(x))
#define CHOOSE(mask, yes, no) NAME(choose)(mask, yes, no)
#define VALUE(kind) static inline VEC NAME(f_##kind)(VEC x, REAL a, REAL b)
#define SLOPE(kind) static inline VEC NAME(d_##kind)(VEC g, VEC x, REAL a, REAL b)
#define UNUSED (void)a, (void)b

static inline VEC NAME(limited)(VEC x, REAL limit) { return NAME(min)(V(limit), NAME(max)(V(-limit), x)); }

/* Phi(x) from the tail, which keeps its digits left of zero */
VALUE(gelu) {
    UNUSED;
    VEC density, tail = NAME(vnormal_tail)(NAME(vabs)(x), &density);
    return NAME(max)(V(-LARGEST), x) * CHOOSE(x < 0, tail, (REAL)1 - tail);
}
SLOPE(gelu) {
    UNUSED;
    x = NAME(limited)(x, 50);
    VEC density, tail = NAME(vnormal_tail)(NAME(vabs)(x), &density);
    return g * (CHOOSE(x < 0, tail, (REAL)1 - tail) + x * density * (REAL)0.39894228040143267794);
}

/* (1 + tanh(z / 2)) / 2 = sigmoid(z), z = 2 sqrt(2 / pi) (x + 0.044715 x**3) */
#define GELU_RATE ((REAL)1.5957691216057307118)
VALUE(gelu_tanh) {
    UNUSED;
    VEC z = x * (x * x * (REAL)(1.5957691216057307118 * 0.044715) + GELU_RATE);
    return NAME(max)(V(-LARGEST), x) * NAME(vsigmoid)(z);
}
SLOPE(gelu_tanh) {
    UNUSED;
    x = NAME(limited)(x, 100);
    VEC square = x * x * (REAL)(1.5957691216057307118 * 0.044715);
    VEC s = NAME(vsigmoid)(x * (square + GELU_RATE));
    return g * (s + x * (s * ((REAL)1 - s)) * (square * 3 + GELU_RATE));
}
#undef GELU_RATE

VALUE(silu) { UNUSED; return NAME(max)(V(-LARGEST), x) * NAME(vsigmoid)(x); }
SLOPE(silu) {
    UNUSED;
    x = NAME(limited)(x, 10000);
    VEC s = NAME(vsigmoid)(x);
    return g * (s + x * (s * ((REAL)1 - s)));
}

/* a: alpha */
VALUE(elu) { UNUSED; return CHOOSE(x > 0, x, NAME(vexpm1_negative)(NAME(min)(V(0), x)) * a); }
SLOPE(elu) { UNUSED; return CHOOSE(x > 0, g, g * (NAME(vexp_negative)(NAME(min)(V(0), x)) * a)); }

/* a: alpha */
VALUE(celu) { UNUSED; return NAME(max)(V(0), x) + NAME(min)(V(0), NAME(vexpm1_negative)(NAME(min)(V(0), x / a)) * a); }
SLOPE(celu) { UNUSED; return CHOOSE(x > 0, g, g * NAME(vexp_negative)(NAME(min)(V(0), x / a))); }

/* a: alpha times the scale; b: the scale */
VALUE(selu) { return CHOOSE(x > 0, x * b, NAME(vexpm1_negative)(NAME(min)(V(0), x)) * a); }
SLOPE(selu) { return g * CHOOSE(x > 0, V(b), NAME(vexp_negative)(NAME(min)(V(0), x)) * a); }

#define MINUS_ABS(x) ((VEC)((IVEC)(x) | (IVEC)V(-0.0)))

/* a: beta; b: threshold */
VALUE(softplus) {
    VEC z = x * a;
    VEC soft = NAME(max)(V(0), z) + NAME(vlog1p_unit)(NAME(vexp_negative)(MINUS_ABS(z)));
    return CHOOSE(z > b, x, soft / a);
}
SLOPE(softplus) {
    VEC z = x * a;
    return CHOOSE(z > b, g, g * NAME(vsigmoid)(z));
}

VALUE(logsigmoid) {
    UNUSED;
    return NAME(min)(V(0), x) - NAME(vlog1p_unit)(NAME(vexp_negative)(MINUS_ABS(x)));
}
SLOPE(logsigmoid) { UNUSED; return g * NAME(vsigmoid)(-x); }

/* tanh(log(1 + e**x)) is a ratio of polynomials in e = exp(-|x|) */
VALUE(mish) {
    UNUSED;
    VEC e = NAME(vexp_negative)(MINUS_ABS(x));
    VEC n = CHOOSE(x < 0, e * (e + (REAL)2), e * 2 + (REAL)1);
    return NAME(max)(V(-LARGEST), x) * (n / (n + CHOOSE(x < 0, V(2), e * e * 2)));
}
SLOPE(mish) {
    UNUSED;
    x = NAME(limited)(x, 10000);
    VEC e = NAME(vexp_negative)(MINUS_ABS(x));
    VEC n = CHOOSE(x < 0, e * (e + (REAL)2), e * 2 + (REAL)1), rest = CHOOSE(x < 0, V(2), e * e * 2);
    VEC t = n / (n + rest), complement = rest / (n + rest);
    VEC s = CHOOSE(x < 0, e, V(1)) / (e + (REAL)1);
    return g * (t + x * s * (complement * (t + (REAL)1)));
}

VALUE(tanhshrink) { UNUSED; return x - NAME(vtanh)(x); }
SLOPE(tanhshrink) { UNUSED; VEC t = NAME(vtanh)(x); return g * (t * t); }

VALUE(softsign) { UNUSED; x = NAME(limited)(x, LARGEST); return x / (NAME(vabs)(x) + (REAL)1); }
SLOPE(softsign) { UNUSED; VEC r = (REAL)1 / (NAME(vabs)(x) + (REAL)1); return g * r * r; }

VALUE(hardswish) {
    UNUSED;
    VEC inner = x * (x + (REAL)3) * (REAL)(1.0 / 6);
    return CHOOSE(x <= -3, V(0), CHOOSE(x >= 3, x, inner));
}
SLOPE(hardswish) {
    UNUSED;
    return CHOOSE(x <= -3, V(0), CHOOSE(x >= 3, g, g * (x * (REAL)(1.0 / 3) + (REAL)0.5)));
}

VALUE(hardsigmoid) { UNUSED; return NAME(min)(V(1), NAME(max)(V(0), (x + (REAL)3) * (REAL)(1.0 / 6))); }
SLOPE(hardsigmoid) { UNUSED; return CHOOSE((x > -3) & (x < 3), g * (REAL)(1.0 / 6), V(0)); }

/* a: the least value; b: the largest. hardtanh has no slope at them, clamp has; neither has at NaN. */
VALUE(hardtanh) { return NAME(min)(V(b), NAME(max)(V(a), x)); }
SLOPE(hardtanh) { return CHOOSE((x > a) & (x < b), g, V(0)); }
VALUE(clamp) { return NAME(min)(V(b), NAME(max)(V(a), x)); }
SLOPE(clamp) { return CHOOSE((x >= a) & (x <= b), g, V(0)); }

/* a: lambda */
VALUE(softshrink) { UNUSED; return CHOOSE(x > a, x - a, CHOOSE(x < -a, x + a, x * 0)); }
SLOPE(softshrink) { UNUSED; return CHOOSE((x < -a) | (x > a), g, V(0)); }
VALUE(hardshrink) { UNUSED; return CHOOSE((x >= -a) & (x <= a), V(0), x); }
SLOPE(hardshrink) { UNUSED; return CHOOSE((x < -a) | (x > a), g, V(0)); }

/* a: the threshold; b: what stands for values up to it */
VALUE(threshold) { return CHOOSE(x <= a, V(b), x); }
SLOPE(threshold) { UNUSED; return CHOOSE(x <= a, V(0), g); }

VALUE(log) { UNUSED; return NAME(vlog)(x); }
SLOPE(log) { UNUSED; return g / x; }

static inline VEC NAME(vsqrt)(VEC x) {
    VEC root;
    for (int i = 0; i < LANES; i++) root[i] = sizeof(REAL) == 4 ? (REAL)sqrtf((float)x[i]) : (REAL)sqrt((double)x[i]);
    return root;
}
VALUE(sqrt) { UNUSED; return NAME(vsqrt)(x); }
SLOPE(sqrt) { UNUSED; return g / (NAME(vsqrt)(x) * 2); }

VALUE(erf) { UNUSED; return NAME(verf)(x); }
SLOPE(erf) { UNUSED; return g * (NAME(vexp_negative)(-(x * x)) * (REAL)1.12837916709551257390); }

/* a: the exponent. Powers that a product or two give exactly enough are not left to the library. */
static inline VEC NAME(vpow)(VEC x, REAL a) {
    if (a == 2) return x * x;
    if (a == 3) return x * x * x;
    if (a == 1) return x;
    if (a == -1) return (REAL)1 / x;
    if (a == (REAL)0.5) return NAME(vsqrt)(x);
    if (a == (REAL)-0.5) return (REAL)1 / NAME(vsqrt)(x);
    VEC power;
    for (int i = 0; i < LANES; i++)
        power[i] = sizeof(REAL) == 4 ? (REAL)powf((float)x[i], (float)a) : (REAL)pow((double)x[i], (double)a);
    return power;
}
VALUE(pow) { UNUSED; return NAME(vpow)(x, a); }
SLOPE(pow) { UNUSED; return a == 0 ? V(0) : g * (NAME(vpow)(x, a - 1) * a); }

/* Every kind and the order of ActivationKind in activation.pxi. */
#define KINDS(DO) \
    DO(0, gelu) DO(1, gelu_tanh) DO(2, silu) DO(3, elu) DO(4, celu) DO(5, selu) DO(6, softplus) DO(7, logsigmoid) \
    DO(8, mish) DO(9, tanhshrink) DO(10, softsign) DO(11, hardswish) DO(12, hardsigmoid) DO(13, hardtanh) \
    DO(14, clamp) DO(15, softshrink) DO(16, hardshrink) DO(17, threshold) DO(18, log) DO(19, sqrt) DO(20, erf) \
    DO(21, pow)

/* out[i] = f(x[i]); out may be x. Two vectors at a time, so that their chains of operations overlap. */
#define FORWARD(number, kind) \
    case number: \
        for (; i + 2 * LANES <= n; i += 2 * LANES) { \
            VEC p = NAME(f_##kind)(NAME(load)(x + i), a, b), q = NAME(f_##kind)(NAME(load)(x + i + LANES), a, b); \
            NAME(store)(out + i, p); \
            NAME(store)(out + i + LANES, q); \
        } \
        for (; i + LANES <= n; i += LANES) NAME(store)(out + i, NAME(f_##kind)(NAME(load)(x + i), a, b)); \
        if (i < n) NAME(store_part)(out + i, NAME(f_##kind)(NAME(load_part)(x + i, n - i, 0), a, b), n - i); \
        break;
static void NAME(activation_forward)(int kind, const REAL *x, REAL a, REAL b, REAL *out, ptrdiff_t n) {
    ptrdiff_t i = 0;
    switch (kind) { KINDS(FORWARD) }
}
#undef FORWARD

/* out[i] = d(g[i], x[i]); out may be g. */
#define BACKWARD(number, kind) \
    case number: \
        for (; i + 2 * LANES <= n; i += 2 * LANES) { \
            VEC p = NAME(d_##kind)(NAME(load)(g + i), NAME(load)(x + i), a, b); \
            VEC q = NAME(d_##kind)(NAME(load)(g + i + LANES), NAME(load)(x + i + LANES), a, b); \
            NAME(store)(out + i, p); \
            NAME(store)(out + i + LANES, q); \
        } \
        for (; i < n; i += LANES) { \
            if (i + LANES <= n) { \
                NAME(store)(out + i, NAME(d_##kind)(NAME(load)(g + i), NAME(load)(x + i), a, b)); \
                continue; \
            } \
            VEC above = NAME(load_part)(g + i, n - i, 0), at = NAME(load_part)(x + i, n - i, 1); \
            NAME(store_part)(out + i, NAME(d_##kind)(above, at, a, b), n - i); \
        } \
        break;
static void NAME(activation_backward)(
    int kind, const REAL *g, const REAL *x, REAL a, REAL b, REAL *out, ptrdiff_t n
) {
    ptrdiff_t i = 0;
    switch (kind) { KINDS(BACKWARD) }
}
#undef BACKWARD
#undef KINDS
#undef V
#undef CHOOSE
#undef VALUE
#undef SLOPE
#undef UNUSED
#undef MINUS_ABS
#undef POLYNOMIAL
