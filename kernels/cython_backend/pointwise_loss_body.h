/* Losses element by element with their slopes, for one type; included by pointwise_loss.h once a type.
 *
 * l_KIND(x, t, a, p, &slope) gives the loss and its derivative by x. A factor of 0 stays 0 beside an infinity: the
 * limit of a confident, right prediction. */
#define V(x) NAME(splat)((REAL)(x))
#define CHOOSE(mask, yes, no) NAME(choose)(mask, yes, no)
#define LOSS(kind) static inline VEC NAME(l_##kind)(VEC x, VEC t, REAL a, VEC p, VEC *slope)
#define UNUSED (void)a, (void)p

LOSS(mse) { UNUSED; VEC e = x - t; *slope = e * 2; return e * e; }
LOSS(l1) {
    UNUSED;
    VEC e = x - t;
    *slope = CHOOSE(e > 0, V(1), V(0)) - CHOOSE(e < 0, V(1), V(0));
    return NAME(vabs)(e);
}
/* a: beta */
LOSS(smooth_l1) {
    UNUSED;
    VEC e = x - t, size = NAME(vabs)(e);
    *slope = CHOOSE(e <= -a, V(-1), CHOOSE(e >= a, V(1), e / a));
    return CHOOSE(size < a, e * e * (REAL)0.5 / a, size - a * (REAL)0.5);
}
/* a: delta */
LOSS(huber) {
    UNUSED;
    VEC e = x - t, size = NAME(vabs)(e);
    *slope = CHOOSE(e <= -a, V(-a), CHOOSE(e >= a, V(a), e));
    return CHOOSE(size < a, e * e * (REAL)0.5, (size - a * (REAL)0.5) * a);
}
/* log(1 - x) with the rounding of 1 - x made good; both logarithms at least -100, as in PyTorch */
LOSS(bce) {
    UNUSED;
    VEC rest = (REAL)1 - x, lost = ((REAL)1 - rest) - x;
    VEC log_x = NAME(max)(V(-100), NAME(vlog)(x));
    VEC log_rest = NAME(max)(V(-100), NAME(vlog)(rest) + CHOOSE(rest > 0, lost / rest, V(0)));
    *slope = (x - t) / NAME(max)(V(1e-12), rest * x);
    return (t - (REAL)1) * log_rest - t * log_x;
}
static inline VEC NAME(zero_wins)(VEC factor, VEC x) { return CHOOSE(factor == 0, V(0), factor * x); }
/* p: pos_weight */
LOSS(bce_with_logits) {
    (void)a;
    VEC other = (REAL)1 - t, positive = p * t, both = other + positive;
    VEC minus = (VEC)((IVEC)x | (IVEC)V(-0.0));
    VEC straight = CHOOSE(x < 0, NAME(zero_wins)(positive, -x), NAME(zero_wins)(other, x));
    VEC s = NAME(vsigmoid)(-x);
    *slope = CHOOSE(x < 0, both * NAME(vsigmoid)(x) - positive, other - both * s);
    return straight + both * NAME(vlog1p_unit)(NAME(vexp_negative)(minus));
}
LOSS(kl) { UNUSED; *slope = -t; return NAME(zero_wins)(t, NAME(vlog)(t) - x); }
LOSS(kl_log) { UNUSED; VEC e = NAME(vexp)(t); *slope = -e; return NAME(zero_wins)(e, t - x); }

/* One chunk: losses[i] and grad[i] (each may be NULL), weighted; grad times scale. Returns the losses' sum. */
#define LOOP(number, kind) \
    case number: \
        for (ptrdiff_t i = 0; i < n; i += LANES) { \
            ptrdiff_t rest = n - i; \
            int part = rest < LANES; \
            VEC at = part ? NAME(load_part)(x + i, rest, (REAL)0.5) : NAME(load)(x + i), slope; \
            VEC to = part ? NAME(load_part)(t + i, rest, (REAL)0.5) : NAME(load)(t + i); \
            VEC p = one, w = one; \
            if (pos_weight) p = part ? NAME(load_part)(pos_weight + i, rest, 1) : NAME(load)(pos_weight + i); \
            if (weight) w = part ? NAME(load_part)(weight + i, rest, 0) : NAME(load)(weight + i); \
            VEC loss = NAME(l_##kind)(at, to, a, p, &slope) * w; \
            slope = slope * w * scale; \
            if (part) { \
                REAL lanes[LANES]; \
                NAME(store)(lanes, loss); \
                for (int k = 0; k < rest; k++) total += lanes[k]; \
                if (losses) NAME(store_part)(losses + i, loss, rest); \
                if (grad) NAME(store_part)(grad + i, slope, rest); \
                break; \
            } \
            sum += NAME(widen)(loss); \
            if (losses) NAME(store)(losses + i, loss); \
            if (grad) NAME(store)(grad + i, slope); \
        } \
        break;
static double NAME(pointwise_loss)(
    int kind, const REAL *x, const REAL *t, const REAL *weight, const REAL *pos_weight, REAL a, REAL scale,
    REAL *losses, REAL *grad, ptrdiff_t n
) {
    const VEC one = V(1);
    vf64 sum = splat_f64(0);
    double total = 0;
    switch (kind) {
        LOOP(0, mse) LOOP(1, l1) LOOP(2, smooth_l1) LOOP(3, huber) LOOP(4, bce) LOOP(5, bce_with_logits)
        LOOP(6, kl) LOOP(7, kl_log)
    }
    return total + sum_lanes_f64(sum);
}
#undef LOOP
#undef V
#undef CHOOSE
#undef LOSS
#undef UNUSED
