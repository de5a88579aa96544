/* Panels of patches and of weights. Included once for each type. */

/* A run of pixels that lie in one row of the output, and what each of its taps reads. Tables, one entry a tap row
 * (depth and height) or a tap along the width:
 *     row[r]    where the input row starts in its plane, or -1 where it is outside;
 *     from[w]   the first place along the width that is inside;
 *     skip[w]   how many of the run's pixels come before it;
 *     inside[w] how many are inside. */
typedef struct {
    ptrdiff_t to, length;
    ptrdiff_t *row, *from, *skip, *inside;
} NAME(conv_run);

static inline ptrdiff_t NAME(conv_run_entries)(const conv_problem *p)
{
    return p->axis[0].taps * p->axis[1].taps + 3 * p->axis[2].taps;
}

/* The runs of pixels [first, first + count); tables go to `memory`, `origin` is added to the input's places. Returns how
 * many runs. */
static int NAME(conv_runs)(const conv_problem *p, ptrdiff_t first, ptrdiff_t count, NAME(conv_run) *runs, ptrdiff_t *memory,
                           ptrdiff_t origin)
{
    const conv_axis *a = p->axis;
    ptrdiff_t at[3], done = 0;
    int found = 0;
    conv_place(p, first, at);
    while (done < count) {
        NAME(conv_run) *run = runs + found++;
        run->to = done;
        run->length = gemm_min(count - done, a[2].count - at[2]);
        run->row = memory;
        run->from = run->row + a[0].taps * a[1].taps;
        run->skip = run->from + a[2].taps;
        run->inside = run->skip + a[2].taps;
        memory = run->inside + a[2].taps;
        const ptrdiff_t d0 = at[0] * a[0].in_step + a[0].in_base, h0 = at[1] * a[1].in_step + a[1].in_base,
                        w0 = at[2] * a[2].in_step + a[2].in_base, step = a[2].in_step;
        ptrdiff_t *row = run->row;
        for (ptrdiff_t td = 0; td < a[0].taps; td++) {
            const ptrdiff_t d = d0 + td * a[0].in_tap;
            const int valid = d >= 0 && d < a[0].extent;
            for (ptrdiff_t th = 0; th < a[1].taps; th++) {
                const ptrdiff_t h = h0 + th * a[1].in_tap;
                *row++ = valid && h >= 0 && h < a[1].extent ? origin + (d * a[1].extent + h) * a[2].extent : -1;
            }
        }
        for (ptrdiff_t tw = 0; tw < a[2].taps; tw++) {
            const ptrdiff_t w = w0 + tw * a[2].in_tap;
            const ptrdiff_t skip = gemm_min(w < 0 ? (step == 1 ? -w : (-w + step - 1) / step) : 0, run->length);
            const ptrdiff_t left = a[2].extent - 1 - w;
            const ptrdiff_t end = gemm_min(left < 0 ? 0 : (step == 1 ? left : left / step) + 1, run->length);
            run->skip[tw] = skip;
            run->inside[tw] = end > skip ? end - skip : 0;
            run->from[tw] = w + skip * step;
        }
        done += run->length;
        at[2] = 0;
        if (++at[1] == a[1].count) at[1] = 0, at[0]++;
    }
    return found;
}

/* to[i] = from[i * step] for i < n, and anything in the rest of the last vector. `end` is the input's end. */
static inline __attribute__((always_inline)) void NAME(conv_copy)(REAL *to, const REAL *from, ptrdiff_t n, ptrdiff_t step,
                                                                  const REAL *end)
{
    if (step == 1) {
        for (; n >= LANES; n -= LANES, to += LANES, from += LANES) STORE(to, LOAD(from));
        if (n) {
            if (end - from >= LANES) STORE(to, LOAD(from));
            else memcpy(to, from, n * sizeof(REAL));
        }
        return;
    }
    if (step == 2)
        for (; n > 0 && end - from >= 2 * LANES; n -= LANES, to += LANES, from += 2 * LANES)
            STORE(to, NAME(even_lanes)(LOAD(from), LOAD(from + LANES)));
    for (ptrdiff_t i = 0; i < n; i++) to[i] = from[i * step];
}

/* Patches, one tap and channel a row: to[k * width + i] = what k0 + k of pixel i of the runs reads; with a width of a
 * tile's this is a panel. `x` is the group's first plane of the image that the runs start in, `end` the whole input's
 * end; CONV_SLACK bytes behind the last row may be written. Every row is written from left to right, one after the
 * other, by whole vectors, so that what runs over the end of a run is overwritten by the next. */
static inline __attribute__((always_inline)) void NAME(conv_rows)(
    const conv_problem *p, REAL *to, const ptrdiff_t width, const ptrdiff_t step, const REAL *x, const REAL *end,
    const NAME(conv_run) *runs, int count, ptrdiff_t k0, ptrdiff_t depth)
{
    const ptrdiff_t taps_w = p->axis[2].taps, rows = p->taps / taps_w;
    ptrdiff_t r = k0 % p->taps / taps_w, w = k0 % taps_w;
    const REAL *plane = x + k0 / p->taps * p->plane;
    for (ptrdiff_t k = 0; k < depth; k++, to += width) {
        for (int s = 0; s < count; s++) {
            const NAME(conv_run) *run = runs + s;
            const ptrdiff_t n = run->row[r] < 0 ? 0 : run->inside[w], skip = n ? run->skip[w] : 0;
            REAL *target = to + run->to;
            for (ptrdiff_t i = 0; i < skip; i += LANES) STORE(target + i, (VEC){0});
            if (n) NAME(conv_copy)(target + skip, plane + run->row[r] + run->from[w], n, step, end);
            for (ptrdiff_t i = skip + n; i < run->length; i += LANES) STORE(target + i, (VEC){0});
        }
        if (++w == taps_w) {
            w = 0;
            if (++r == rows) r = 0, plane += p->plane;
        }
    }
}

static void NAME(conv_pack)(const conv_problem *p, REAL *to, const REAL *x, const REAL *end, const NAME(conv_run) *runs,
                            int count, ptrdiff_t pixels, ptrdiff_t k0, ptrdiff_t depth)
{
    const ptrdiff_t width = TILE_VECS * LANES;
    if (pixels < width) memset(to, 0, depth * width * sizeof(REAL));
    if (p->axis[2].in_step == 1) NAME(conv_rows)(p, to, width, 1, x, end, runs, count, k0, depth);
    else NAME(conv_rows)(p, to, width, p->axis[2].in_step, x, end, runs, count, k0, depth);
}

/* All panels of some pixels where patches are single pixels: plane after plane, as a panel alone would take a cache line of
 * each, every one from another page. */
static void NAME(conv_pack_planes)(const conv_problem *p, REAL *to, ptrdiff_t kc, const REAL *x, ptrdiff_t pixels, ptrdiff_t depth)
{
    const ptrdiff_t width = TILE_VECS * LANES;
    for (ptrdiff_t k = 0; k < depth; k++, to += width, x += p->plane) {
        REAL *panel = to;
        ptrdiff_t q = 0;
        for (; q + width <= pixels; q += width, panel += kc * width)
            for (int v = 0; v < TILE_VECS; v++) STORE(panel + v * LANES, LOAD(x + q + v * LANES));
        if (q < pixels) {
            memset(panel, 0, width * sizeof(REAL));
            memcpy(panel, x + q, (pixels - q) * sizeof(REAL));
        }
    }
}

/* A panel of weights, TILE_ROWS wide: to[k * TILE_ROWS + i] = the weight of row first + i at k0 + k. */
static void NAME(conv_pack_weight)(const conv_problem *p, REAL *to, const REAL *w, const ptrdiff_t *places, ptrdiff_t height,
                                   ptrdiff_t k0, ptrdiff_t depth)
{
    if (p->w_channel == p->taps && p->taps == p->kernel_taps && places[p->taps - 1] == p->taps - 1) { /* in order */
        NAME(pack_a)(to, w + k0, p->w_row, height, depth);
        return;
    }
    ptrdiff_t t = k0 % p->taps;
    const REAL *from = w + k0 / p->taps * p->w_channel;
    for (ptrdiff_t k = 0; k < depth; k++, to += TILE_ROWS) {
        const REAL *q = from + places[t];
        for (ptrdiff_t i = 0; i < height; i++) to[i] = q[i * p->w_row];
        if (++t == p->taps) t = 0, from += p->w_channel;
    }
}
