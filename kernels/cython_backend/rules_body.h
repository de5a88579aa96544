/* One block of each optimizer's rule, for one type; included by rules.h once a type. d: room for the direction.
 * a, b, c: the states in the order of RULE_STATES in contract/optim_rules.py (NULL where not used); f: the
 * parameter's three factors; o: the rule's options. The loops are plain, for the compiler to vectorise. */
static double NAME(rule_block)(
    int rule, REAL *restrict p, const REAL *restrict g, REAL *restrict a, REAL *restrict b, REAL *restrict c,
    const double *f, const double *o, double lr_, double decay_, double sign_, REAL *restrict d, ptrdiff_t n
) {
    const REAL lr = (REAL)lr_, decay = (REAL)decay_, sign = (REAL)sign_, shrink = (REAL)(1 - lr_ * decay_);
    const REAL f0 = (REAL)f[0], f1 = (REAL)f[1], f2 = (REAL)f[2];
    const REAL o0 = (REAL)o[0], o1 = (REAL)o[1], o2 = (REAL)o[2], rest0 = (REAL)(1 - o[0]), rest1 = (REAL)(1 - o[1]);
    const int decoupled = o[3] != 0;
    double total = 0, sums[16] = {0};
    ptrdiff_t i;
    if (rule < NORM_1) {
        if (decay == 0 || decoupled) for (i = 0; i < n; i++) d[i] = sign * g[i];
        else for (i = 0; i < n; i++) d[i] = sign * g[i] + decay * p[i];
        if (decay != 0 && decoupled) for (i = 0; i < n; i++) p[i] *= shrink;
    }
    switch (rule) {
    case RMSPROP: /* o: alpha, eps, momentum */
        for (i = 0; i < n; i++) a[i] = o0 * a[i] + rest0 * d[i] * d[i];
        if (c) {
            for (i = 0; i < n; i++) c[i] += rest0 * (d[i] - c[i]);
            for (i = 0; i < n; i++) d[i] /= NAME(root)(a[i] - c[i] * c[i]) + o1;
        } else {
            for (i = 0; i < n; i++) d[i] /= NAME(root)(a[i]) + o1;
        }
        if (b) {
            for (i = 0; i < n; i++) b[i] = o2 * b[i] + d[i];
            for (i = 0; i < n; i++) p[i] -= lr * b[i];
        } else {
            for (i = 0; i < n; i++) p[i] -= lr * d[i];
        }
        break;
    case ADAGRAD: /* o0: eps; f0: the decayed rate */
        for (i = 0; i < n; i++) a[i] += d[i] * d[i];
        for (i = 0; i < n; i++) p[i] -= f0 * d[i] / (NAME(root)(a[i]) + o0);
        break;
    case ADADELTA: /* o: rho, eps */
        for (i = 0; i < n; i++) a[i] = o0 * a[i] + rest0 * d[i] * d[i];
        for (i = 0; i < n; i++) d[i] *= NAME(root)(b[i] + o1) / NAME(root)(a[i] + o1);
        for (i = 0; i < n; i++) b[i] = o0 * b[i] + rest0 * d[i] * d[i];
        for (i = 0; i < n; i++) p[i] -= lr * d[i];
        break;
    case ADAMAX: /* o: beta1, beta2, eps; f0: the rate over 1 - beta1**t */
        for (i = 0; i < n; i++) a[i] += rest0 * (d[i] - a[i]);
        for (i = 0; i < n; i++) {
            REAL old = o1 * b[i], size = (d[i] < 0 ? -d[i] : d[i]) + o2;
            b[i] = old > size || old != old ? old : size;
        }
        for (i = 0; i < n; i++) p[i] -= f0 * a[i] / b[i];
        break;
    case NADAM: /* o: beta1, beta2, eps; f0, f1: the rates of gradient and mean; f2: 1 / (1 - beta2**t) */
        for (i = 0; i < n; i++) {
            a[i] += rest0 * (d[i] - a[i]);
            b[i] = o1 * b[i] + rest1 * d[i] * d[i];
        }
        for (i = 0; i < n; i++) p[i] -= (f0 * d[i] + f1 * a[i]) / (NAME(root)(b[i] * f2) + o2);
        break;
    case RADAM: /* o: beta1, beta2, eps; f0: the rate, with the rectification where f1 is not 0 */
        for (i = 0; i < n; i++) {
            a[i] += rest0 * (d[i] - a[i]);
            b[i] = o1 * b[i] + rest1 * d[i] * d[i];
        }
        if (f1 != 0) for (i = 0; i < n; i++) p[i] -= f0 * a[i] / (NAME(root)(b[i]) + o2);
        else for (i = 0; i < n; i++) p[i] -= f0 * a[i];
        break;
    case LION: /* o: beta1, beta2 */
        for (i = 0; i < n; i++) {
            REAL u = o0 * a[i] + rest0 * d[i];
            p[i] -= u > 0 ? lr : u < 0 ? -lr : u * 0;
        }
        for (i = 0; i < n; i++) a[i] = o1 * a[i] + rest1 * d[i];
        break;
    case NORM_1:
        for (i = 0; i + 16 <= n; i += 16)
            for (int k = 0; k < 16; k++) sums[k] += fabs((double)g[i + k]);
        for (; i < n; i++) total += fabs((double)g[i]);
        for (int k = 0; k < 16; k++) total += sums[k];
        break;
    case NORM_2:
        for (i = 0; i + 16 <= n; i += 16)
            for (int k = 0; k < 16; k++) sums[k] += (double)g[i + k] * (double)g[i + k];
        for (; i < n; i++) total += (double)g[i] * (double)g[i];
        for (int k = 0; k < 16; k++) total += sums[k];
        break;
    case NORM_MAX: /* NaN stays where it is once it was seen, as nothing is larger */
        for (i = 0; i + 16 <= n; i += 16)
            for (int k = 0; k < 16; k++) {
                const double size = fabs((double)g[i + k]);
                sums[k] = size > sums[k] || size != size ? size : sums[k];
            }
        for (; i < n; i++) sums[0] = fabs((double)g[i]) > sums[0] || g[i] != g[i] ? fabs((double)g[i]) : sums[0];
        for (int k = 0; k < 16; k++) total = sums[k] > total || sums[k] != sums[k] ? sums[k] : total;
        break;
    case SCALE: /* p *= f0, then within ±o0 */
        for (i = 0; i < n; i++) {
            REAL x = f0 * p[i];
            x = x > o0 ? o0 : x;
            p[i] = x < -o0 ? -o0 : x;
        }
        break;
    }
    return total;
}
