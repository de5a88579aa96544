/* The algorithms of norm.h for one type; included by it once a type. */

/* Walks over [0, n) by vectors: LOOP(n, body, rest) runs body at each i for whole vectors, rest for the last `left`. */
#define LOOP(n, body, rest) \
    do { \
        ptrdiff_t i = 0; \
        for (; i + LANES <= (n); i += LANES) { body } \
        const ptrdiff_t left = (n) - i; \
        if (left) { rest } \
    } while (0)

/* The sum of (x[i] - centre)**2, and in *deviation that of x[i] - centre: n <= NORM_BLOCK. */
static inline double NAME(norm_squares)(const REAL *x, REAL centre, ptrdiff_t n, double *deviation)
{
    VEC a = NAME(splat)(0), b = a, s = a, t = a, d;
    ptrdiff_t i = 0;
    for (; i + 2 * LANES <= n; i += 2 * LANES) {
        d = NAME(load)(x + i) - centre;
        s += d;
        a += d * d;
        d = NAME(load)(x + i + LANES) - centre;
        t += d;
        b += d * d;
    }
    if (i + LANES <= n) {
        d = NAME(load)(x + i) - centre;
        s += d;
        a += d * d;
        i += LANES;
    }
    if (i < n) {
        d = NAME(load_part)(x + i, n - i, centre) - centre;
        t += d;
        b += d * d;
    }
    *deviation = NAME(sum_lanes)(s + t);
    return NAME(sum_lanes)(a + b);
}

/* Adds n numbers to a running count, sum and sum of squared deviations (Chan, Golub and LeVeque 1979), by blocks each
 * of which has two passes: so a mean far from zero costs no digits. The first pass need only find a
 * number near the mean. */
static void NAME(norm_moments)(const REAL *x, ptrdiff_t n, double *count, double *sum, double *squares)
{
    for (ptrdiff_t start = 0; start < n; start += NORM_BLOCK) {
        const ptrdiff_t length = norm_min(NORM_BLOCK, n - start);
        const double near = NAME(row_total)(x + start, length);
        const REAL centre = (REAL)(near / length);
        double deviation;
        const double raw = NAME(norm_squares)(x + start, centre, length, &deviation);
        const double around = raw - deviation * deviation / length;
        const double own_sum = deviation == deviation ? (double)centre * length + deviation : near;
        *squares += around > 0 || around != around ? around : 0;
        if (*count > 0) {
            const double delta = own_sum / length - *sum / *count;
            *squares += delta * delta * (*count * length / (*count + length));
        }
        *sum += own_sum;
        *count += length;
    }
}

/* out = (x - centre) * factor + shift. */
static inline void NAME(norm_affine)(const REAL *x, REAL centre, REAL factor, REAL shift, REAL *out, ptrdiff_t n)
{
    LOOP(n, NAME(store)(out + i, (NAME(load)(x + i) - centre) * factor + shift);,
         NAME(store_part)(out + i, (NAME(load_part)(x + i, left, 0) - centre) * factor + shift, left););
}

/* out = ((x - centre) * factor - delta) * weight + bias, each of the last two an array or NULL. */
static inline void NAME(norm_scale)(const REAL *x, REAL centre, REAL factor, REAL delta, const REAL *weight, const REAL *bias,
                                    REAL *out, ptrdiff_t n)
{
    if (weight && bias)
        LOOP(n, NAME(store)(out + i, ((NAME(load)(x + i) - centre) * factor - delta) * NAME(load)(weight + i)
                                         + NAME(load)(bias + i));,
             NAME(store_part)(out + i, ((NAME(load_part)(x + i, left, 0) - centre) * factor - delta)
                                               * NAME(load_part)(weight + i, left, 0) + NAME(load_part)(bias + i, left, 0), left););
    else if (weight)
        LOOP(n, NAME(store)(out + i, ((NAME(load)(x + i) - centre) * factor - delta) * NAME(load)(weight + i));,
             NAME(store_part)(out + i, ((NAME(load_part)(x + i, left, 0) - centre) * factor - delta)
                                               * NAME(load_part)(weight + i, left, 0), left););
    else if (bias)
        LOOP(n, NAME(store)(out + i, ((NAME(load)(x + i) - centre) * factor - delta) + NAME(load)(bias + i));,
             NAME(store_part)(out + i, ((NAME(load_part)(x + i, left, 0) - centre) * factor - delta)
                                               + NAME(load_part)(bias + i, left, 0), left););
    else NAME(norm_affine)(x, centre, factor, -delta, out, n);
}

/* ---- layer and RMS norm: rows ---- */

static void NAME(norm_rows_forward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t n = p->columns, stop = norm_min(p->rows, (index + 1) * p->step);
    for (ptrdiff_t m = index * p->step; m < stop; m++) {
        const REAL *x = (const REAL *)p->x + m * n;
        double mean = 0, var = 0, count = 0;
        if (p->centred) {
            NAME(norm_moments)(x, n, &count, &mean, &var);
            if (n) mean /= n;
        } else
            for (ptrdiff_t i = 0; i < n; i += NORM_BLOCK) var += NAME(norm_squares)(x + i, 0, norm_min(NORM_BLOCK, n - i), &mean);
        const double rstd = 1 / sqrt((n ? var / n : 0) + p->eps);
        if (!p->centred) mean = 0;
        const REAL centre = (REAL)mean;
        NAME(norm_scale)(x, centre, (REAL)rstd, (REAL)((mean - centre) * rstd), p->weight, p->bias, (REAL *)p->out + m * n, n);
        if (p->centred) ((REAL *)p->mean)[m] = centre;
        ((REAL *)p->rstd)[m] = (REAL)rstd;
    }
}

/* One or two rows of backward's first pass: the sums of g = grad * weight and of g * x_hat, and the rows' share of the
 * weight's and the bias's gradients, added to to_weight and to_bias where those are not NULL. Blocks as in row_dot.
 * `rows` and `all` (there are weight, to_weight and to_bias) are constants where this is called: two rows share what they
 * read, and the sums stay in registers. */
static inline __attribute__((always_inline)) void NAME(norm_sums)(
    const int rows, const int all, const REAL *grad, const REAL *x, const REAL *weight, const REAL *centre, const REAL *rstd,
    REAL *to_weight, REAL *to_bias, ptrdiff_t n, double *plain, double *along)
{
    for (int r = 0; r < rows; r++) plain[r] = along[r] = 0;
    for (ptrdiff_t start = 0; start < n; start += NORM_BLOCK) {
        const ptrdiff_t stop = norm_min(start + NORM_BLOCK, n), whole = stop - (stop - start) % LANES;
        VEC a[2] = {{0}}, b[2] = {{0}};
        for (ptrdiff_t i = start; i < whole; i += LANES) {
            VEC g, hat, by_weight = {0}, by_bias = {0};
            _Pragma("GCC unroll 2") for (int r = 0; r < rows; r++) {
                g = NAME(load)(grad + r * n + i);
                hat = (NAME(load)(x + r * n + i) - centre[r]) * rstd[r];
                by_weight += g * hat;
                by_bias += g;
                if (all || weight) g *= NAME(load)(weight + i);
                a[r] += g;
                b[r] += g * hat;
            }
            if (all || to_weight) NAME(store)(to_weight + i, NAME(load)(to_weight + i) + by_weight);
            if (all || to_bias) NAME(store)(to_bias + i, NAME(load)(to_bias + i) + by_bias);
        }
        for (int r = 0; r < rows; r++) plain[r] += NAME(sum_lanes)(a[r]), along[r] += NAME(sum_lanes)(b[r]);
        for (ptrdiff_t i = whole; i < stop; i++)
            for (int r = 0; r < rows; r++) {
                const REAL upper = grad[r * n + i], hat = (x[r * n + i] - centre[r]) * rstd[r];
                if (to_weight) to_weight[i] += upper * hat;
                if (to_bias) to_bias[i] += upper;
                const double g = weight ? upper * weight[i] : upper;
                plain[r] += g;
                along[r] += g * hat;
            }
    }
}

static void NAME(norm_row_sums)(int rows, const REAL *grad, const REAL *x, const REAL *weight, const REAL *centre,
                                const REAL *rstd, REAL *to_weight, REAL *to_bias, ptrdiff_t n, double *plain, double *along)
{
    if (weight && to_weight && to_bias) {
        if (rows == 2) NAME(norm_sums)(2, 1, grad, x, weight, centre, rstd, to_weight, to_bias, n, plain, along);
        else NAME(norm_sums)(1, 1, grad, x, weight, centre, rstd, to_weight, to_bias, n, plain, along);
    } else if (rows == 2) NAME(norm_sums)(2, 0, grad, x, weight, centre, rstd, to_weight, to_bias, n, plain, along);
    else NAME(norm_sums)(1, 0, grad, x, weight, centre, rstd, to_weight, to_bias, n, plain, along);
}

/* grad_x = rstd * (grad * weight - plain - x_hat * along). */
static void NAME(norm_row_grad)(const REAL *grad, const REAL *x, const REAL *weight, REAL centre, REAL rstd, REAL plain,
                                REAL along, REAL *grad_x, ptrdiff_t n)
{
    const REAL slope = along * rstd;
    LOOP(n,
         VEC g = NAME(load)(grad + i);
         if (weight) g *= NAME(load)(weight + i);
         NAME(store)(grad_x + i, rstd * ((g - plain) - (NAME(load)(x + i) - centre) * slope));,
         VEC g = NAME(load_part)(grad + i, left, 0);
         if (weight) g *= NAME(load_part)(weight + i, left, 0);
         NAME(store_part)(grad_x + i, rstd * ((g - plain) - (NAME(load_part)(x + i, left, 0) - centre) * slope), left););
}

static void NAME(norm_rows_backward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t n = p->columns, start = index * p->step, stop = norm_min(p->rows, start + p->step);
    double *weight_sums = p->sums ? p->sums + index * 4 * n : NULL, *bias_sums = p->sums ? weight_sums + n : NULL;
    REAL *to_weight = p->sums ? (REAL *)(bias_sums + n) : NULL, *to_bias = p->sums && p->grad_bias ? to_weight + n : NULL;
    if (p->sums) memset(weight_sums, 0, 4 * n * sizeof(double));
    if (!p->grad_weight) to_weight = NULL;
    for (ptrdiff_t m = start; m < stop;) {
        const int rows = stop - m > 1 ? 2 : 1;
        const REAL *grad = (const REAL *)p->grad + m * n, *x = (const REAL *)p->x + m * n;
        REAL centre[2] = {0}, rstd[2] = {0};
        double plain[2], along[2];
        for (int r = 0; r < rows; r++) {
            if (p->centred) centre[r] = ((const REAL *)p->mean_in)[m + r];
            rstd[r] = ((const REAL *)p->rstd_in)[m + r];
        }
        NAME(norm_row_sums)(rows, grad, x, p->weight, centre, rstd, to_weight, to_bias, n, plain, along);
        for (int r = 0; p->grad_x && r < rows; r++)
            NAME(norm_row_grad)(grad + r * n, x + r * n, p->weight, centre[r], rstd[r],
                                p->centred ? (REAL)(plain[r] / n) : 0, (REAL)(along[r] / n), (REAL *)p->grad_x + (m + r) * n, n);
        m += rows;
        if ((m - start) % NORM_ROWS && m < stop) continue;
        for (ptrdiff_t i = 0; to_weight && i < n; i++) weight_sums[i] += to_weight[i], to_weight[i] = 0;
        for (ptrdiff_t i = 0; to_bias && i < n; i++) bias_sums[i] += to_bias[i], to_bias[i] = 0;
    }
}

static void NAME(norm_fold)(const norm_problem *p)
{
    const ptrdiff_t n = p->columns;
    REAL *targets[2] = {p->grad_weight, p->grad_bias};
    for (int which = 0; which < 2; which++)
        for (ptrdiff_t i = 0; targets[which] && i < n; i++) {
            double total = 0;
            for (ptrdiff_t chunk = 0; chunk < p->chunks; chunk++) total += p->sums[(chunk * 4 + which) * n + i];
            targets[which][i] = (REAL)total;
        }
}

/* ---- batch norm: channels ---- */

static inline REAL NAME(norm_at)(const void *array, ptrdiff_t i, REAL otherwise)
{
    return array ? ((const REAL *)array)[i] : otherwise;
}

/* Channels [first, last) of (batch, channels) in rows: strips of at most NORM_STRIP. */
static void NAME(norm_columns_forward)(const norm_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t width = last - first, c = p->channels;
    const REAL *x = (const REAL *)p->x + first;
    REAL *out = (REAL *)p->out + first, centre[NORM_STRIP], delta[NORM_STRIP], factor[NORM_STRIP], shift[NORM_STRIP];
    double mean[NORM_STRIP] = {0}, var[NORM_STRIP] = {0};
    if (p->training) {
        for (ptrdiff_t m = 0; m < p->batch; m++)
            for (ptrdiff_t i = 0; i < width; i++) mean[i] += x[m * c + i];
        for (ptrdiff_t i = 0; i < width; i++) mean[i] /= p->batch, centre[i] = (REAL)mean[i];
        for (ptrdiff_t m = 0; m < p->batch; m++)
            for (ptrdiff_t i = 0; i < width; i++) {
                const double d = x[m * c + i] - mean[i];
                var[i] += d * d;
            }
    }
    for (ptrdiff_t i = 0; i < width; i++) {
        double rstd;
        if (p->training) {
            var[i] /= p->batch;
            rstd = 1 / sqrt(var[i] + p->eps);
            delta[i] = (REAL)(mean[i] - centre[i]);
            ((REAL *)p->mean)[first + i] = centre[i];
            ((REAL *)p->var)[first + i] = (REAL)var[i];
            ((REAL *)p->rstd)[first + i] = (REAL)rstd;
        } else {
            rstd = ((const REAL *)p->rstd_in)[first + i];
            centre[i] = ((const REAL *)p->mean_in)[first + i];
            delta[i] = 0;
        }
        factor[i] = (REAL)(rstd * NAME(norm_at)(p->weight, first + i, 1));
        shift[i] = NAME(norm_at)(p->bias, first + i, 0);
    }
    for (ptrdiff_t m = 0; m < p->batch; m++)
        for (ptrdiff_t i = 0; i < width; i++) out[m * c + i] = ((x[m * c + i] - centre[i]) - delta[i]) * factor[i] + shift[i];
}

static void NAME(norm_batch_forward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t first = index * p->step, last = norm_min(p->channels, first + p->step), size = p->size;
    if (size == 1) {
        NAME(norm_columns_forward)(p, first, last);
        return;
    }
    for (ptrdiff_t c = first; c < last; c++) {
        double mean = 0, var = 0, count = 0, rstd;
        if (p->training) {
            for (ptrdiff_t b = 0; b < p->batch; b++)
                NAME(norm_moments)((const REAL *)p->x + (b * p->channels + c) * size, size, &count, &mean, &var);
            mean /= count;
            var /= count;
            rstd = 1 / sqrt(var + p->eps);
            ((REAL *)p->mean)[c] = (REAL)mean;
            ((REAL *)p->var)[c] = (REAL)var;
            ((REAL *)p->rstd)[c] = (REAL)rstd;
        } else {
            mean = ((const REAL *)p->mean_in)[c];
            rstd = ((const REAL *)p->rstd_in)[c];
        }
        const REAL centre = (REAL)mean;
        const double factor = rstd * NAME(norm_at)(p->weight, c, 1);
        const REAL shift = (REAL)(NAME(norm_at)(p->bias, c, 0) - (mean - centre) * factor);
        for (ptrdiff_t b = 0; b < p->batch; b++) {
            const ptrdiff_t at = (b * p->channels + c) * size;
            NAME(norm_affine)((const REAL *)p->x + at, centre, (REAL)factor, shift, (REAL *)p->out + at, size);
        }
    }
}

/* The sums of grad and of grad * (x - centre), added to *plain and *along. */
static void NAME(norm_pair_sums)(const REAL *grad, const REAL *x, REAL centre, ptrdiff_t n, double *plain, double *along)
{
    for (ptrdiff_t start = 0; start < n; start += NORM_BLOCK) {
        const ptrdiff_t length = norm_min(NORM_BLOCK, n - start);
        const REAL *g0 = grad + start, *x0 = x + start;
        VEC a = NAME(splat)(0), b = a, c = a, d = a;
        ptrdiff_t i = 0;
        for (; i + 2 * LANES <= length; i += 2 * LANES) {
            const VEC g = NAME(load)(g0 + i), h = NAME(load)(g0 + i + LANES);
            a += g;
            b += g * (NAME(load)(x0 + i) - centre);
            c += h;
            d += h * (NAME(load)(x0 + i + LANES) - centre);
        }
        for (; i < length; i += LANES) {
            const ptrdiff_t left = length - i;
            const VEC g = left < LANES ? NAME(load_part)(g0 + i, left, 0) : NAME(load)(g0 + i);
            a += g;
            b += g * ((left < LANES ? NAME(load_part)(x0 + i, left, centre) : NAME(load)(x0 + i)) - centre);
        }
        *plain += NAME(sum_lanes)(a + c);
        *along += NAME(sum_lanes)(b + d);
    }
}

/* grad_x = factor * grad + slope * (x - centre) + shift. */
static inline void NAME(norm_pair_grad)(const REAL *grad, const REAL *x, REAL centre, REAL factor, REAL slope, REAL shift,
                                        REAL *grad_x, ptrdiff_t n)
{
    LOOP(n,
         NAME(store)(grad_x + i, factor * NAME(load)(grad + i) + (slope * (NAME(load)(x + i) - centre) + shift));,
         NAME(store_part)(grad_x + i, factor * NAME(load_part)(grad + i, left, 0)
                                          + (slope * (NAME(load_part)(x + i, left, 0) - centre) + shift), left););
}

static void NAME(norm_columns_backward)(const norm_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    const ptrdiff_t width = last - first, c = p->channels;
    const REAL *x = (const REAL *)p->x + first, *grad = (const REAL *)p->grad + first;
    const REAL *centre = (const REAL *)p->mean_in + first, *rstd = (const REAL *)p->rstd_in + first;
    double plain[NORM_STRIP] = {0}, along[NORM_STRIP] = {0};
    REAL factor[NORM_STRIP], slope[NORM_STRIP], shift[NORM_STRIP];
    for (ptrdiff_t m = 0; m < p->batch; m++)
        for (ptrdiff_t i = 0; i < width; i++) {
            plain[i] += grad[m * c + i];
            along[i] += (double)grad[m * c + i] * (x[m * c + i] - centre[i]);
        }
    for (ptrdiff_t i = 0; i < width; i++) {
        if (p->grad_weight) ((REAL *)p->grad_weight)[first + i] = (REAL)(along[i] * rstd[i]);
        if (p->grad_bias) ((REAL *)p->grad_bias)[first + i] = (REAL)plain[i];
        const double own = (double)rstd[i] * NAME(norm_at)(p->weight, first + i, 1);
        factor[i] = (REAL)own;
        slope[i] = p->training ? (REAL)(-own * rstd[i] * rstd[i] * along[i] / p->batch) : 0;
        shift[i] = p->training ? (REAL)(-own * plain[i] / p->batch) : 0;
    }
    if (!p->grad_x) return;
    REAL *grad_x = (REAL *)p->grad_x + first;
    for (ptrdiff_t m = 0; m < p->batch; m++)
        for (ptrdiff_t i = 0; i < width; i++)
            grad_x[m * c + i] = factor[i] * grad[m * c + i] + (slope[i] * (x[m * c + i] - centre[i]) + shift[i]);
}

static void NAME(norm_batch_backward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t first = index * p->step, last = norm_min(p->channels, first + p->step), size = p->size;
    if (size == 1) {
        NAME(norm_columns_backward)(p, first, last);
        return;
    }
    const double count = (double)p->batch * size;
    for (ptrdiff_t c = first; c < last; c++) {
        const REAL centre = ((const REAL *)p->mean_in)[c], rstd = ((const REAL *)p->rstd_in)[c];
        double plain = 0, along = 0;
        for (ptrdiff_t b = 0; b < p->batch; b++) {
            const ptrdiff_t at = (b * p->channels + c) * size;
            NAME(norm_pair_sums)((const REAL *)p->grad + at, (const REAL *)p->x + at, centre, size, &plain, &along);
        }
        if (p->grad_weight) ((REAL *)p->grad_weight)[c] = (REAL)(along * rstd);
        if (p->grad_bias) ((REAL *)p->grad_bias)[c] = (REAL)plain;
        if (!p->grad_x) continue;
        const double factor = (double)rstd * NAME(norm_at)(p->weight, c, 1);
        const REAL slope = p->training ? (REAL)(-factor * rstd * rstd * along / count) : 0;
        const REAL shift = p->training ? (REAL)(-factor * plain / count) : 0;
        for (ptrdiff_t b = 0; b < p->batch; b++) {
            const ptrdiff_t at = (b * p->channels + c) * size;
            NAME(norm_pair_grad)((const REAL *)p->grad + at, (const REAL *)p->x + at, centre, (REAL)factor, slope, shift,
                                 (REAL *)p->grad_x + at, size);
        }
    }
}

/* ---- group norm: groups of channels of one item ---- */

static void NAME(norm_group_forward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t each = p->channels / p->groups, size = p->size, n = each * size;
    const ptrdiff_t last = norm_min(p->batch * p->groups, (index + 1) * p->step);
    for (ptrdiff_t group = index * p->step; group < last; group++) {
        const REAL *x = (const REAL *)p->x + group * n;
        REAL *out = (REAL *)p->out + group * n;
        const ptrdiff_t channel = group % p->groups * each;
        double mean = 0, var = 0, count = 0;
        NAME(norm_moments)(x, n, &count, &mean, &var);
        if (n) mean /= n;
        const double rstd = 1 / sqrt((n ? var / n : 0) + p->eps);
        const REAL centre = (REAL)mean;
        ((REAL *)p->mean)[group] = centre;
        ((REAL *)p->rstd)[group] = (REAL)rstd;
        if (size == 1) {
            NAME(norm_scale)(x, centre, (REAL)rstd, (REAL)((mean - centre) * rstd),
                             p->weight ? (const REAL *)p->weight + channel : NULL,
                             p->bias ? (const REAL *)p->bias + channel : NULL, out, n);
            continue;
        }
        for (ptrdiff_t c = 0; c < each; c++) {
            const double factor = rstd * NAME(norm_at)(p->weight, channel + c, 1);
            const REAL shift = (REAL)(NAME(norm_at)(p->bias, channel + c, 0) - (mean - centre) * factor);
            NAME(norm_affine)(x + c * size, centre, (REAL)factor, shift, out + c * size, size);
        }
    }
}

static void NAME(norm_group_backward_task)(void *context, ptrdiff_t index)
{
    const norm_problem *p = context;
    const ptrdiff_t each = p->channels / p->groups, size = p->size, n = each * size;
    const ptrdiff_t last = norm_min(p->batch * p->groups, (index + 1) * p->step);
    for (ptrdiff_t group = index * p->step; group < last; group++) {
        const REAL *x = (const REAL *)p->x + group * n, *grad = (const REAL *)p->grad + group * n;
        const REAL centre = ((const REAL *)p->mean_in)[group], rstd = ((const REAL *)p->rstd_in)[group];
        const ptrdiff_t channel = group % p->groups * each;
        double *plains = p->sums + group * each, *alongs = plains + p->batch * p->channels, plain = 0, along = 0;
        for (ptrdiff_t c = 0; c < each; c++) {
            const REAL weight = NAME(norm_at)(p->weight, channel + c, 1);
            plains[c] = alongs[c] = 0;
            NAME(norm_pair_sums)(grad + c * size, x + c * size, centre, size, &plains[c], &alongs[c]);
            plain += weight * plains[c];
            along += weight * alongs[c];
        }
        if (!p->grad_x) continue;
        const REAL slope = (REAL)(-along * rstd * rstd * rstd / n), shift = (REAL)(-plain * rstd / n);
        for (ptrdiff_t c = 0; c < each; c++)
            NAME(norm_pair_grad)(grad + c * size, x + c * size, centre, rstd * NAME(norm_at)(p->weight, channel + c, 1), slope,
                                 shift, (REAL *)p->grad_x + group * n + c * size, size);
    }
}

/* The weight's and the bias's gradients: over the items of the batch, in order. */
static void NAME(norm_group_fold)(const norm_problem *p)
{
    const ptrdiff_t channels = p->channels, each = p->groups ? channels / p->groups : 1;
    const double *plains = p->sums, *alongs = plains + p->batch * channels;
    for (ptrdiff_t c = 0; c < channels; c++) {
        double weight = 0, bias = 0;
        for (ptrdiff_t b = 0; b < p->batch; b++) {
            weight += alongs[b * channels + c] * ((const REAL *)p->rstd_in)[b * p->groups + c / each];
            bias += plains[b * channels + c];
        }
        if (p->grad_weight) ((REAL *)p->grad_weight)[c] = (REAL)weight;
        if (p->grad_bias) ((REAL *)p->grad_bias)[c] = (REAL)bias;
    }
}

#undef LOOP
