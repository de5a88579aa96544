/* The loops of pooling. Included once for each type. */

/* LANES numbers `step` (1 or 2) apart. */
static inline __attribute__((always_inline)) VEC NAME(pool_load)(const REAL *from, const int step)
{
    return step == 1 ? LOAD(from) : NAME(even_lanes)(LOAD(from), LOAD(from + LANES));
}

static inline __attribute__((always_inline)) void NAME(pool_store)(REAL *to, VEC value, ptrdiff_t n)
{
    if (n == LANES) STORE(to, value);
    else NAME(store_part)(to, value, n);
}

static inline void NAME(store_places)(int64_t *to, IVEC place, ptrdiff_t n)
{
    INT lanes[LANES];
    memcpy(lanes, &place, sizeof lanes);
    if (n == LANES) for (int i = 0; i < LANES; i++) to[i] = lanes[i];
    else for (int i = 0; i < n; i++) to[i] = lanes[i];
}

/* Whole windows [w, w + n) of one row, n at most LANES: (d, h) of them the row's windows along depth and height. */
static inline __attribute__((always_inline)) void NAME(max_vector)(
    const pool_problem *p, const REAL *x, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w, ptrdiff_t n, const int step, const int places, REAL *out,
    int64_t *indices)
{
    const pool_axis *a = p->axis;
    VEC best = SPLAT(-(REAL)__builtin_inf());
    IVEC where = {0}, lane;
    for (int i = 0; i < LANES; i++) lane[i] = i * step;
    if (places) where = where + (INT)((a[0].first[d] * a[1].size + a[1].first[h]) * a[2].size + a[2].first[w]);
    for (ptrdiff_t i = 0; i < a[0].taps[d]; i++)
        for (ptrdiff_t j = 0; j < a[1].taps[h]; j++) {
            ptrdiff_t at = ((a[0].first[d] + i * a[0].spread) * a[1].size + a[1].first[h] + j * a[1].spread) * a[2].size + a[2].first[w];
            for (ptrdiff_t k = 0; k < a[2].taps[w]; k++, at += a[2].spread) {
                const VEC value = NAME(pool_load)(x + at, step);
                const IVEC wins = (value > best) | (value != value);
                best = NAME(choose)(wins, value, best);
                if (places) where = (wins & (INT)at) | (~wins & where);
            }
        }
    NAME(pool_store)(out + w, best, n);
    if (places) NAME(store_places)(indices + w, where + lane, n);
}

static void NAME(max_window)(const pool_problem *p, const REAL *x, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w, REAL *out, int64_t *indices)
{
    const pool_axis *a = p->axis;
    REAL best = -(REAL)__builtin_inf();
    ptrdiff_t where = (a[0].first[d] * a[1].size + a[1].first[h]) * a[2].size + a[2].first[w];
    for (ptrdiff_t i = 0; i < a[0].taps[d]; i++)
        for (ptrdiff_t j = 0; j < a[1].taps[h]; j++) {
            ptrdiff_t at = ((a[0].first[d] + i * a[0].spread) * a[1].size + a[1].first[h] + j * a[1].spread) * a[2].size + a[2].first[w];
            for (ptrdiff_t k = 0; k < a[2].taps[w]; k++, at += a[2].spread)
                if (x[at] > best || x[at] != x[at]) best = x[at], where = at;
        }
    out[w] = best;
    if (indices) indices[w] = where;
}

/* The windows of one row that vectors take: three or more from `low` on. The last vector may overlap the one before; where
 * there are fewer than a vector has lanes, the others are computed and dropped. A vector may read behind its row, but not
 * behind the input's end. */
#define POOL_ROW(VECTOR, WINDOW)                                                                                           \
    const ptrdiff_t low = a[2].low, high = a[2].high, reach = (a[2].taps[low < high ? low : 0] - 1) * a[2].spread;          \
    ptrdiff_t w = 0;                                                                                                       \
    if (high - low >= 3 && vectors) {                                                                                      \
        const ptrdiff_t n = gemm_min(LANES, high - low);                                                                   \
        for (; w < low; w++) WINDOW;                                                                                       \
        while (w < high) {                                                                                                 \
            if (w > high - n) w = high - n;                                                                                \
            if (row_end + a[2].first[w] + reach + LANES * a[2].step > end) break;                                          \
            VECTOR;                                                                                                        \
            w += n;                                                                                                        \
        }                                                                                                                  \
    }                                                                                                                      \
    for (; w < a[2].count; w++) WINDOW;

static void NAME(max_planes)(const pool_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    const pool_axis *a = p->axis;
    const REAL *end = (const REAL *)p->x + p->planes * p->plane;
    const int vectors = (a[2].step == 1 || a[2].step == 2) && p->plane < INT32_MAX;
    for (ptrdiff_t m = first; m < last; m++) {
        const REAL *x = (const REAL *)p->x + m * p->plane;
        REAL *out = (REAL *)p->out + m * p->windows;
        int64_t *indices = p->indices ? p->indices + m * p->windows : NULL;
        for (ptrdiff_t d = 0; d < a[0].count; d++)
            for (ptrdiff_t h = 0; h < a[1].count; h++) {
                const REAL *row_end = x + ((a[0].first[d] + (a[0].taps[d] - 1) * a[0].spread) * a[1].size + a[1].first[h]
                                           + (a[1].taps[h] - 1) * a[1].spread) * a[2].size;
                if (a[2].step == 2 && indices) {
                    POOL_ROW(NAME(max_vector)(p, x, d, h, w, n, 2, 1, out, indices), NAME(max_window)(p, x, d, h, w, out, indices))
                } else if (a[2].step == 2) {
                    POOL_ROW(NAME(max_vector)(p, x, d, h, w, n, 2, 0, out, indices), NAME(max_window)(p, x, d, h, w, out, indices))
                } else if (indices) {
                    POOL_ROW(NAME(max_vector)(p, x, d, h, w, n, 1, 1, out, indices), NAME(max_window)(p, x, d, h, w, out, indices))
                } else {
                    POOL_ROW(NAME(max_vector)(p, x, d, h, w, n, 1, 0, out, indices), NAME(max_window)(p, x, d, h, w, out, indices))
                }
                out += a[2].count;
                if (indices) indices += a[2].count;
            }
    }
}

static void NAME(max_back)(const pool_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    for (ptrdiff_t m = first; m < last; m++) {
        const REAL *grad = (const REAL *)p->x + m * p->windows;
        const int64_t *indices = p->indices + m * p->windows;
        REAL *to = (REAL *)p->out + m * p->plane;
        memset(to, 0, p->plane * sizeof(REAL));
        for (ptrdiff_t i = 0; i < p->windows; i++) to[indices[i]] += grad[i];
    }
}

/* What window w of row (d, h) is divided by. */
static inline REAL NAME(divisor)(const pool_problem *p, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w)
{
    const pool_axis *a = p->axis;
    return (REAL)(p->divisor ? p->divisor : (double)(a[0].counted[d] * a[1].counted[h] * a[2].counted[w]));
}

static inline __attribute__((always_inline)) void NAME(avg_vector)(
    const pool_problem *p, const REAL *x, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w, ptrdiff_t n, const int step, REAL *out)
{
    const pool_axis *a = p->axis;
    VEC sum = {0};
    for (ptrdiff_t i = 0; i < a[0].taps[d]; i++)
        for (ptrdiff_t j = 0; j < a[1].taps[h]; j++) {
            const REAL *from = x + ((a[0].first[d] + i) * a[1].size + a[1].first[h] + j) * a[2].size + a[2].first[w];
            for (ptrdiff_t k = 0; k < a[2].taps[w]; k++) sum += NAME(pool_load)(from + k, step);
        }
    NAME(pool_store)(out + w, sum / NAME(divisor)(p, d, h, w), n);
}

static void NAME(avg_window)(const pool_problem *p, const REAL *x, ptrdiff_t d, ptrdiff_t h, ptrdiff_t w, REAL *out)
{
    const pool_axis *a = p->axis;
    double total = 0;
    VEC sum = {0};
    for (ptrdiff_t i = 0; i < a[0].taps[d]; i++)
        for (ptrdiff_t j = 0; j < a[1].taps[h]; j++) {
            const REAL *from = x + ((a[0].first[d] + i) * a[1].size + a[1].first[h] + j) * a[2].size + a[2].first[w];
            ptrdiff_t k = 0;
            for (; k + LANES <= a[2].taps[w]; k += LANES) sum += LOAD(from + k);
            for (; k < a[2].taps[w]; k++) total += from[k];
        }
    out[w] = (REAL)((total + NAME(sum_lanes)(sum)) / NAME(divisor)(p, d, h, w));
}

static void NAME(avg_planes)(const pool_problem *p, ptrdiff_t first, ptrdiff_t last)
{
    const pool_axis *a = p->axis;
    const REAL *end = (const REAL *)p->x + p->planes * p->plane;
    const int vectors = a[2].step == 1 || a[2].step == 2;
    for (ptrdiff_t m = first; m < last; m++) {
        const REAL *x = (const REAL *)p->x + m * p->plane;
        REAL *out = (REAL *)p->out + m * p->windows;
        for (ptrdiff_t d = 0; d < a[0].count; d++)
            for (ptrdiff_t h = 0; h < a[1].count; h++, out += a[2].count) {
                const REAL *row_end = x + ((a[0].first[d] + a[0].taps[d] - 1) * a[1].size + a[1].first[h] + a[1].taps[h] - 1) * a[2].size;
                if (a[2].step == 2) {
                    POOL_ROW(NAME(avg_vector)(p, x, d, h, w, n, 2, out), NAME(avg_window)(p, x, d, h, w, out))
                } else {
                    POOL_ROW(NAME(avg_vector)(p, x, d, h, w, n, 1, out), NAME(avg_window)(p, x, d, h, w, out))
                }
            }
    }
}

/* Each row of windows is spread along the width once, in `line`, and then added to every row that it covers. */
static void NAME(avg_back)(const pool_problem *p, ptrdiff_t first, ptrdiff_t last, REAL *line)
{
    const pool_axis *a = p->axis;
    for (ptrdiff_t m = first; m < last; m++) {
        const REAL *grad = (const REAL *)p->x + m * p->windows;
        REAL *to = (REAL *)p->out + m * p->plane;
        memset(to, 0, p->plane * sizeof(REAL));
        for (ptrdiff_t d = 0; d < a[0].count; d++)
            for (ptrdiff_t h = 0; h < a[1].count; h++, grad += a[2].count) {
                memset(line, 0, a[2].size * sizeof(REAL));
                for (ptrdiff_t w = 0; w < a[2].count; w++) {
                    const REAL share = grad[w] / NAME(divisor)(p, d, h, w);
                    for (ptrdiff_t k = 0; k < a[2].taps[w]; k++) line[a[2].first[w] + k] += share;
                }
                for (ptrdiff_t i = 0; i < a[0].taps[d]; i++)
                    for (ptrdiff_t j = 0; j < a[1].taps[h]; j++) {
                        REAL *row = to + ((a[0].first[d] + i) * a[1].size + a[1].first[h] + j) * a[2].size;
                        for (ptrdiff_t k = 0; k < a[2].size; k++) row[k] += line[k];
                    }
            }
    }
}
#undef POOL_ROW
